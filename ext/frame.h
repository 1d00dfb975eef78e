/* The frame inside of a generator, mirrored by hand like the structs of introspect_layout.h, and tested like them.
 *
 * introspect_gen.c draws it and tells how it is read. */
#ifndef PF_EXT_FRAME_H
#define PF_EXT_FRAME_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#if PY_VERSION_HEX < 0x030E0000
#define PF_HAVE_FRAMES 1
#else
#define PF_HAVE_FRAMES 0 /* 3.14 tags the references in its frames; its generators are not read yet */
#endif

#if PF_HAVE_FRAMES

typedef struct pf_frame {
#if PY_VERSION_HEX < 0x030C0000
    PyObject *func;
    PyObject *globals;
    PyObject *builtins;
    PyObject *locals;
    PyCodeObject *code;
    PyObject *frame_object;
    struct pf_frame *previous;
    uint16_t *instr; /* the last one done */
    int stacktop;
    bool is_entry;
    char owner;
#else
    PyCodeObject *code; /* 3.13: any executable; of a generator always its code */
    struct pf_frame *previous;
    PyObject *func;
    PyObject *globals;
    PyObject *builtins;
    PyObject *locals;
    PyObject *frame_object;
    uint16_t *instr; /* 3.12: the last one done; 3.13: the next one */
    int stacktop;
    uint16_t return_offset;
    char owner;
#endif
    PyObject *localsplus[1];
} pf_frame;

enum {
    PF_FRAME_OF_GENERATOR = 1,
    PF_FRAME_OF_C = 3
}; /* owner; the latter from 3.12 on: where C enters the interpreter */

/* gi_frame_state: not started, suspended, running, and above that finished */
#if PY_VERSION_HEX < 0x030D0000
enum { PF_FRAME_CREATED = -2, PF_FRAME_SUSPENDED = -1, PF_FRAME_SUSPENDED_YIELD_FROM = -100 };
enum { PF_FRAME_INSTR_AHEAD = 1 };
#else
enum { PF_FRAME_CREATED = -3, PF_FRAME_SUSPENDED = -2, PF_FRAME_SUSPENDED_YIELD_FROM = -1 };
enum { PF_FRAME_INSTR_AHEAD = 0 };
#endif
enum { PF_FRAME_EXECUTING = 0 };

static inline pf_frame *pf_frame_of(PyObject *generator)
{
    return (pf_frame *)((PyGenObject *)generator)->gi_iframe;
}

/* Of a generator that is neither running nor finished: its code. Else NULL. */
static inline PyCodeObject *pf_frame_glance(PyObject *generator)
{
    return ((PyGenObject *)generator)->gi_frame_state < PF_FRAME_EXECUTING ? pf_frame_of(generator)->code : NULL;
}

/* The one argument of such a generator; borrowed. NULL: it has another number of them, or has deleted it. */
static inline PyObject *pf_frame_argument(PyObject *generator)
{
    const pf_frame *frame = pf_frame_of(generator);
    return frame->code->co_argcount == 1 ? frame->localsplus[0] : NULL;
}

#else

static inline PyCodeObject *pf_frame_glance(PyObject *generator) { return NULL; }
static inline PyObject *pf_frame_argument(PyObject *generator) { return NULL; }

#endif

#endif
