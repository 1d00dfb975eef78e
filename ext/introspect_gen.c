/* Generators, read through their frames.
 *
 *     generator object          frame (inside of the generator)
 *     +------------------+      +--------------------------------------------+
 *     | ... frame_state  |      | code, globals, builtins, next instruction, |
 *     | iframe ----------+----> | stacktop                                   |
 *     +------------------+      | localsplus: .0 | locals, cells | stack ... |
 *                               +--------------------------------------------+
 *
 * A generator expression gets the iterator of its outermost `for` as its one argument, local 0, named ".0". When it
 * first runs it copies it to the bottom of its stack, and that copy is what FOR_ITER pulls from; .0 keeps
 * the same object to the end. So an iterator stands in one slot before the start and in two after it.
 *
 * stacktop tells how deep the stack is, but only while the generator does not run. Suspended at its yield it has one
 * iterator on the stack for each `for` that it is in. Those of inner ones are CPython's: it asks for the next row when
 * they have ended. */
#include "frame.h"
#include "introspect_layout.h"
#include "reasons.h"

#if PF_HAVE_FRAMES

const void *pf_frame_below(const void *frame)
{
    const pf_frame *below = ((const pf_frame *)frame)->previous;
#if PY_VERSION_HEX >= 0x030C0000
    while (below != NULL && below->owner == PF_FRAME_OF_C) {
        below = below->previous;
    }
#endif
    return below;
}

/* Flags the code of a generator expression may have; anything else is something this file does not know. */
enum { KNOWN_FLAGS = CO_OPTIMIZED | CO_NEWLOCALS | CO_NESTED | CO_GENERATOR | 0x01FE0000 /* CO_FUTURE_... */ };

bool pf_gen_known(void) { return true; }

pf_gen_state pf_gen_state_of(PyObject *generator) {
    int state = ((PyGenObject *)generator)->gi_frame_state;
    switch (state) {
    case PF_FRAME_CREATED:
        return PF_GEN_CREATED;
    case PF_FRAME_SUSPENDED:
    case PF_FRAME_SUSPENDED_YIELD_FROM:
        return PF_GEN_SUSPENDED;
    case PF_FRAME_EXECUTING:
        return PF_GEN_RUNNING;
    default:
        return PF_GEN_FINISHED;
    }
}

/* Most code has the same few names: the one met last is known again by its address, since it is held. */
static PyObject *known_name, *known_local;

static bool named(PyObject *name, PyObject **known, const char *text) {
    if (name == *known) {
        return true;
    }
    if (PyUnicode_CompareWithASCIIString(name, text) != 0) {
        return false;
    }
    if (PyUnicode_CheckExact(name)) {
        Py_INCREF(name);
        Py_XSETREF(*known, name);
    }
    return true;
}

bool pf_code_is_genexpr(const PyCodeObject *code) {
    return (code->co_flags & ~KNOWN_FLAGS) == 0 && (code->co_flags & CO_GENERATOR) != 0 && code->co_argcount == 1 &&
           code->co_kwonlyargcount == 0 && code->co_nlocalsplus > 0 && named(code->co_name, &known_name, "<genexpr>") &&
           named(PyTuple_GET_ITEM(code->co_localsplusnames, 0), &known_local, ".0");
}

int pf_gen_source(PyObject *generator, PyObject **source, pf_gen_place *place)
{
    pf_frame *f = pf_frame_of(generator);
    int state = ((PyGenObject *)generator)->gi_frame_state;
    if (state == PF_FRAME_EXECUTING) {
        return PF_REASON_RUNNING;
    }
    if (state > PF_FRAME_EXECUTING) {
        return PF_REASON_EXHAUSTED;
    }
    if (!pf_code_is_genexpr(f->code)) {
        return PF_REASON_GENERATOR;
    }
    if (f->owner != PF_FRAME_OF_GENERATOR || (state != PF_FRAME_CREATED && state != PF_FRAME_SUSPENDED)) {
        return PF_REASON_STEP_STATE;
    }
    int depth = f->stacktop - f->code->co_nlocalsplus;
    PyObject *first = f->localsplus[0];
    const bool started = state == PF_FRAME_SUSPENDED;
    if (first == NULL || (started ? depth < 1 : depth != 0)) {
        return PF_REASON_STEP_STATE;
    }
    *place = !started ? PF_GEN_AT_START : depth == 1 ? PF_GEN_AT_ROW : PF_GEN_IN_ROW;
    if (started && f->localsplus[f->code->co_nlocalsplus] != first) {
        return PF_REASON_STEP_STATE; /* somebody wrote to .0 */
    }
    *source = first;
    return 0;
}

static int swap_slot(PyObject **slot, PyObject *was, PyObject *now) {
    if (*slot != was) {
        return 0;
    }
    *slot = Py_NewRef(now);
    Py_DECREF(was);
    return 1;
}

int pf_gen_swap(PyObject *generator, PyObject *was, PyObject *now) {
    pf_frame *f = pf_frame_of(generator);
    int state = ((PyGenObject *)generator)->gi_frame_state;
    if (state > PF_FRAME_EXECUTING) {
        return 0;
    }
    int changed = swap_slot(&f->localsplus[0], was, now);
    /* While it runs, stacktop says nothing. But then it is at FOR_ITER, in the pull that we are called from, with the
     * iterator at the bottom of its stack. */
    if (state == PF_FRAME_EXECUTING || f->stacktop > f->code->co_nlocalsplus) {
        changed += swap_slot(&f->localsplus[f->code->co_nlocalsplus], was, now);
    }
    return changed;
}

PyCodeObject *pf_genexpr_code(PyObject *generator) { return pf_frame_of(generator)->code; }

PyObject *pf_genexpr_globals(PyObject *generator) { return pf_frame_of(generator)->globals; }

PyObject *pf_genexpr_builtins(PyObject *generator) { return pf_frame_of(generator)->builtins; }

PyObject *pf_genexpr_local(PyObject *generator, int i) {
    const pf_frame *f = pf_frame_of(generator);
    return i >= 0 && i < f->code->co_nlocalsplus ? f->localsplus[i] : NULL;
}

int pf_genexpr_lasti(PyObject *generator) {
    const pf_frame *f = pf_frame_of(generator);
    if (((PyGenObject *)generator)->gi_frame_state != PF_FRAME_SUSPENDED) {
        return -1;
    }
    return (int)(f->instr - (const uint16_t *)f->code->co_code_adaptive + PF_FRAME_INSTR_AHEAD) * 2;
}

#else

const void *pf_frame_below(const void *frame)
{
    (void)frame;
    return NULL;
}

bool pf_gen_known(void) { return false; }

bool pf_code_is_genexpr(const PyCodeObject *code) {
    (void)code;
    return false;
}

pf_gen_state pf_gen_state_of(PyObject *generator) {
    (void)generator;
    return PF_GEN_FINISHED;
}

int pf_gen_source(PyObject *generator, PyObject **source, pf_gen_place *place)
{
    (void)generator;
    (void)source;
    (void)place;
    return PF_REASON_UNTESTED_TYPE;
}

int pf_gen_swap(PyObject *generator, PyObject *was, PyObject *now) {
    (void)generator;
    (void)was;
    (void)now;
    return 0;
}

PyCodeObject *pf_genexpr_code(PyObject *generator) {
    (void)generator;
    return NULL;
}

PyObject *pf_genexpr_globals(PyObject *generator) {
    (void)generator;
    return NULL;
}

PyObject *pf_genexpr_builtins(PyObject *generator) {
    (void)generator;
    return NULL;
}

PyObject *pf_genexpr_local(PyObject *generator, int i) {
    (void)generator;
    (void)i;
    return NULL;
}

int pf_genexpr_lasti(PyObject *generator) {
    (void)generator;
    return -1;
}

#endif
