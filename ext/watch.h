/* Watches: where a plan's outside values come from, and what they must be for the plan to hold.
 *
 * While a plan is built, every global, cell, default, module attribute and partial argument that is read becomes a
 * watch: a way to find it again, starting from the chain's own objects. At each call, and again whenever other code
 * may have run, the list is walked in order: each value is read anew and compared. So a rebound global, a new
 * closure over the same code, a changed default or a swapped __code__ is noticed, and scalars become parameters of
 * the run instead of constants of the plan. Reading goes through C fields and dict look-ups by exact str keys: no user
 * code, no audit event. Needs the GIL. */
#ifndef PF_EXT_WATCH_H
#define PF_EXT_WATCH_H

#include "../core/column/vec.h"
#include "chain.h"
#include "table.h"

typedef enum pf_watch_how {
    PF_WATCH_NODE,      /* function of chain node `index`, or the generator itself for a genexpr */
    PF_WATCH_EXTRA,     /* callable `index` that was passed to the consumer */
    PF_WATCH_GLOBAL,    /* parent function or generator: global or builtin `name` */
    PF_WATCH_CLOSURE,   /* parent function: contents of cell `index` of its closure */
    PF_WATCH_CELL,      /* parent generator: contents of the cell in local `index` */
    PF_WATCH_DEFAULT,   /* parent function: positional default `index` */
    PF_WATCH_KWDEFAULT, /* parent function: keyword default `name` */
    PF_WATCH_RANGE,     /* parent range: start, stop or step, by `index` */
    PF_WATCH_MODULE,    /* parent module: attribute `name` */
    PF_WATCH_PARTIAL_FUNC,
    PF_WATCH_PARTIAL_ARG,     /* parent partial: argument `index` */
    PF_WATCH_PARTIAL_KEYWORD, /* parent partial: keyword `name` */
    PF_WATCH_CONSTANT         /* a constant of the code: `expected` itself */
} pf_watch_how;

typedef enum pf_watch_expect {
    PF_EXPECT_SAME,   /* this very object: a class, a module, a builtin */
    PF_EXPECT_TYPE,   /* any object of this type; it only passes through, so the plan need not know (or keep) it */
    PF_EXPECT_ITEMS,  /* an exact list or tuple with these very items, whose values the plan has used */
    PF_EXPECT_CODE,   /* a plain function with this code object, as many defaults and no other shape */
    PF_EXPECT_GENEXPR, /* a generator with this code object */
    PF_EXPECT_PARTIAL, /* an exact functools.partial with as many arguments and the same keywords */
    PF_EXPECT_GETTER,  /* an itemgetter or attrgetter that gets the same */
    PF_EXPECT_EQUAL,   /* an exact int of this value, which the plan has used */
    PF_EXPECT_SCALAR  /* an exact scalar of this kind: parameter `param` */
} pf_watch_expect;

/* What rows are looked up in. */
typedef struct pf_watched_table {
    pf_table *now; /* owned; NULL: not read yet */
    int32_t param; /* carries its set */
    bool refused;  /* the plan is a refusal, since the container cannot be read: it holds as long as that is so */
    bool constant; /* of the code: it never changes */
} pf_watched_table;

typedef struct pf_watch {
    uint8_t how, expect;
    pf_kinds kind;      /* SCALAR */
    int16_t parent;     /* index of an earlier watch, or -1 */
    int32_t index;
    int32_t param;      /* SCALAR: number of the parameter, or -1 */
    int32_t handle_param; /* >= 0: parameter that carries the object itself */
    int32_t size;       /* CODE: number of positional defaults; PARTIAL: number of arguments; GETTER: of what it gets */
    PyObject *name;     /* owned */
    PyObject *expected; /* owned: object, type, code object, tuple of items or of keyword names, a getter's words */
    PyTypeObject *container; /* ITEMS: list or tuple. GETTER: its type; both kept by others */
    pf_watched_table *table; /* owned; NULL: nothing is looked up in it. Comes on top of what is expected */
} pf_watch;

enum { PF_MAX_WATCHES = 48, PF_MAX_PARAMS = 64, PF_MAX_TABLES = 8 };

typedef struct pf_watches {
    pf_watch *list;
    int n, nparams;
    PyObject **constants; /* owned; constants[p] != NULL: parameter p is always this object */
} pf_watches;

/* Where the walk starts. */
typedef struct pf_watch_roots {
    const pf_chain *chain;
    PyObject *const *extra;
    int nextra;
} pf_watch_roots;

/* Reads one watch's value. Borrowed; NULL without an exception when it is not there. */
PyObject *pf_watch_read(const pf_watch *watch, PyObject *parent, const pf_watch_roots *roots);
/* The same for watch `index` of a list, whose parents can all be read. */
PyObject *pf_watch_value(const pf_watch *list, int index, const pf_watch_roots *roots);

/* Walks all watches: true when each is what it must be. Fills params[0, nparams), which are zero before the first time. */
bool pf_watches_hold(const pf_watches *watches, const pf_watch_roots *roots, pf_scalar *params);

/* Makes `value`, which the watch has read, a container to be looked up in, as parameter `param`. NULL: no memory. */
pf_watched_table *pf_watch_table(const pf_watch *watch, PyObject *value, const pf_watch_roots *roots, int32_t param);
/* The tables that the last pf_watches_hold has put into the params, each with a reference more: for a run to keep.
 * Returns how many; *searched is how many items have to be compared each time the watches are walked. */
int pf_watches_tables(const pf_watches *watches, pf_table *out[PF_MAX_TABLES], Py_ssize_t *searched);
void pf_watched_table_free(pf_watched_table *table); /* NULL allowed */

/* The kind of a Python object as a scalar: exact types only. PF_K_OTHER for exact builtins that are no scalars here
 * (big ints, bytes, tuples...), PF_K_FOREIGN for everything else. out may be NULL. */
pf_kinds pf_scalar_of(PyObject *object, pf_scalar *out);

/* Can an exact str be looked at where it lies? Not one of 3.11's legacy ones (PyUnicode_FromUnicode and its like), which has no
 * length and no text until CPython makes them; nor one that is too long for a pf_str_view. */
static inline bool pf_text_is_plain(PyObject *text)
{
#if PY_VERSION_HEX < 0x030c0000
    if (!PyUnicode_IS_READY(text)) {
        return false;
    }
#endif
    return PyUnicode_GET_LENGTH(text) <= (Py_ssize_t)UINT32_MAX;
}

void pf_watches_clear(pf_watches *watches);

#endif
