/* The purity analysis from the inside: abstract values, and who computes what.
 *
 *   effects.c        the public face: one analysis from start to verdict
 *   effects_value.c  values, joins, sites, offences
 *   effects_frame.c  one function: states at block starts, the sweep until nothing changes
 *   effects_step.c   what each instruction does to a state
 *   effects_call.c   what each callable does; pure_callables.def
 *   effects_bind.c   Python functions: arguments to parameters
 *   effects_attr.c   what reading an attribute gives
 *
 * It is an abstract interpretation. A value says where an object came from, which decides whether changing it in place
 * is anybody else's business, and whether calling it is known:
 *
 *   BOTTOM   nothing has arrived yet
 *   PLAIN    immutable all the way down, and no callable: numbers, strings, None. Changing or calling one only raises
 *   FRESH    made in the course of the call; its site keeps what is in it
 *   FUNC     a function made in the course of the call
 *   PY       this very object, found through a global, cell, default or module
 *   BOUND    attribute `py` of something FRESH (site) or PLAIN (no site): a method, most likely
 *   NOSELF   the empty self of a call
 *   SHARED   anything else; `root` and `name` say through what it was reached. As an attribute, `py` is its name
 *
 * BOTTOM < PLAIN < all others < SHARED. Objects made by one instruction share a site, whatever the context, and sites
 * that meet in a join become one (union-find), so everything is finite and only grows: the whole analysis is repeated
 * until nothing grows any more. */
#ifndef PF_EXT_EFFECTS_INTERNAL_H
#define PF_EXT_EFFECTS_INTERNAL_H

#include "../core/base/arena.h"
#include "decode.h"
#include "effects.h"
#include "reasons.h"

typedef enum pf_e_kind { E_BOTTOM, E_PLAIN, E_FRESH, E_FUNC, E_PY, E_BOUND, E_NOSELF, E_SHARED } pf_e_kind;

typedef enum pf_e_root {
    ROOT_MIXED,    /* one of several ways */
    ROOT_ARG,      /* argument `name` of the function being proven */
    ROOT_DEFAULT,  /* the same, and it has a default value that can be changed */
    ROOT_CAPTURED, /* global, cell or attribute `name` */
    ROOT_TYPES,    /* one of several classes, none with a metaclass of its own */
    ROOT_OPAQUE    /* an object of an unknown type that was not passed in: nothing may be done with it */
} pf_e_root;

typedef enum pf_e_is_record { SITE_OTHER, SITE_RECORD, SITE_MIXED } pf_e_is_record;

typedef struct pf_e_site pf_e_site;
typedef struct pf_e_entry pf_e_entry;

typedef struct pf_e_value {
    uint8_t kind, root;
    PyObject *name;    /* borrowed; of the root */
    PyObject *py;      /* borrowed; PY: the object, BOUND and SHARED: attribute name or NULL */
    pf_e_site *site;   /* FRESH, BOUND, FUNC */
    pf_e_entry *entry; /* FUNC: the activation whose variables it closes over */
} pf_e_value;

struct pf_e_site {
    pf_e_site *parent; /* union-find; NULL: representative */
    pf_e_site *next;   /* all sites of the analysis */
    const PyCodeObject *code;
    int instr, part;    /* key, with code */
    pf_e_value content; /* items; of a dict: its values */
    pf_e_value keys;    /* of a dict */
    long check;         /* the last one that looked at it */
    bool container;     /* surely a list, set or dict */
    bool slice;
    uint8_t record;         /* of a named tuple: its attributes are its items */
    PyCodeObject *function; /* FUNC: its code */
};

/* One function in one context: its code, what its variables close over, and the arguments it is given. */
struct pf_e_entry {
    pf_e_entry *next;
    pf_e_entry *outer;      /* FUNC: activation of the enclosing function, else NULL */
    PyFunctionObject *func; /* borrowed; NULL for FUNC and for bare code */
    const pf_code *code;
    PyObject *globals, *builtins; /* borrowed */
    PyObject *const *cells;       /* borrowed: closure of func or scope; NULL for FUNC */
    int ncells;
    pf_e_value *args;         /* nlocalsplus: what the parameters are bound to, BOTTOM elsewhere */
    pf_e_value *cell_content; /* nlocalsplus: contents of own cells */
    pf_e_value ret, yields;
    int epoch; /* of its last run */
    bool running;
    /* states at block starts: number * width values, locals first; NULL until first run */
    int32_t *block_of;
    pf_e_value *states;
    bool *arrived;
    int nblocks, width;
    pf_e_value *current; /* width */
    int depth;           /* of the current stack */
};

typedef struct pf_e_decoded {
    struct pf_e_decoded *next;
    pf_code *code;
} pf_e_decoded;

typedef struct pf_analysis {
    pf_arena arena;
    pf_e_site *sites;
    pf_e_entry *entries;
    pf_e_decoded *decoded;
    PyObject *keep;       /* list: objects that must live as long as the analysis */
    PyObject *unresolved; /* list of names */
    int nentries, level, epoch;
    long steps, check;
    bool changed;
    bool failed;  /* a Python exception is set */
    bool may_warn;
    pf_e_value result; /* what is proven returns or yields */
    bool stopped; /* an offence was found: reason, entry, instr, name say which */
    int reason;
    const pf_e_entry *where;
    int instr;
    PyObject *name; /* owned */
} pf_analysis;

enum { PF_E_MAX_ENTRIES = 600, PF_E_MAX_LEVEL = 100, PF_E_MAX_STEPS = 300000 };

/* ~, by whatever name */
static inline void pf_e_inverts(pf_analysis *a)
{
    a->may_warn |= PY_VERSION_HEX >= 0x030c0000;
}

static inline bool pf_e_done(const pf_analysis *a)
{
    return a->failed || a->stopped;
}

/* ---- effects_value.c ---- */
extern const pf_e_value pf_e_plain, pf_e_bottom, pf_e_opaque;
pf_e_value pf_e_shared(pf_e_root root, PyObject *name);
pf_e_value pf_e_exception(void); /* one that was raised or made: opaque, but no class */
pf_e_value pf_e_of(pf_analysis *a, PyObject *object, PyObject *name); /* a known object; kept alive */
pf_e_value pf_e_default(pf_analysis *a, PyObject *object, PyObject *name);
bool pf_e_same(const pf_e_value *x, const pf_e_value *y);
pf_e_value pf_e_join(pf_analysis *a, pf_e_value x, pf_e_value y);
void pf_e_add(pf_analysis *a, pf_e_value *to, pf_e_value v); /* *to grows; a->changed when it did */
pf_e_site *pf_e_find(pf_e_site *site);
pf_e_value pf_e_value_in(pf_analysis *a, pf_e_value v);                  /* what subscribing gives */
pf_e_value pf_e_item(pf_analysis *a, pf_e_value v);                      /* what iterating, or that, gives */
void pf_e_add_key(pf_analysis *a, pf_e_value container, pf_e_value key); /* after a mutation that was allowed */
pf_e_value pf_e_fresh(pf_analysis *a, const pf_e_entry *entry, int instr, int part, pf_e_value content);
void pf_e_stop(pf_analysis *a, const pf_e_entry *entry, int instr, int reason, PyObject *name);
void pf_e_stop_text(pf_analysis *a, const pf_e_entry *entry, int instr, int reason, const char *name);
/* name has no value yet: noted, and taken to be harmless for now. */
void pf_e_unresolved(pf_analysis *a, const pf_e_entry *entry, int instr, PyObject *name);
/* v is changed in place and gets `stored` into it. */
void pf_e_mutate(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v, pf_e_value stored, int reason);
/* v is an operand that is looked at, but not into: stops when its class could do anything. */
void pf_e_operand(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v);
/* The same for one that is compared, hashed, formatted...: what is in it counts too. */
void pf_e_deep_operand(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v);
/* The same for one whose attributes are read by names that are not known, which is a call if a class has descriptors.
 */
void pf_e_named_operand(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v);
/* v is searched by a key, and compared with those it has if it is a dict. */
void pf_e_searched(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v);
/* v is iterated over, so it must not be an iterator from outside. */
void pf_e_iterated(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v);
bool pf_e_is_builtin_type(PyTypeObject *type); /* of the interpreter or an extension, not of the user */
bool pf_e_is_data_type(PyTypeObject *type);    /* int, str, list, dict and the like: methods do what their name says */
bool pf_e_is_row(pf_e_value v);                /* an argument's, or made of such: may be an argument itself */
bool pf_e_is_data(PyObject *object);           /* a container of such types, all the way down */
PyObject *pf_e_keep(pf_analysis *a, PyObject *object); /* steals; NULL stays NULL */

/* ---- effects_frame.c ---- */
/* What running func (or made function) on bound locals returns; args: nlocalsplus values. */
const pf_code *pf_e_decode(pf_analysis *a, PyCodeObject *code);
pf_e_entry *pf_e_enter(pf_analysis *a, const pf_e_entry *model, const pf_e_value *args); /* found or made; NULL: done */
pf_e_value pf_e_run(pf_analysis *a, pf_e_entry *entry, const pf_e_entry *caller, int instr);

/* ---- effects_step.c ---- */
void pf_e_step(pf_analysis *a, pf_e_entry *entry, int instr); /* on entry->current */
/* The contents of the variable that closure slot `slot` of entry stands for. */
pf_e_value pf_e_read_free(pf_analysis *a, pf_e_entry *entry, int instr, int slot);

/* ---- effects_types.c ---- */
bool pf_e_is_type(PyObject *object, const char *name); /* a builtin type by its tp_name */
bool pf_e_is_plain_namedtuple(PyTypeObject *type);     /* adds nothing but its fields */
bool pf_e_is_getter(PyTypeObject *type);               /* itemgetter or attrgetter */
bool pf_e_is_plain_exception(PyTypeObject *type);      /* making and dropping one runs no code of the user's */
bool pf_e_takes_any(const PyTypeObject *type); /* an exception that keeps its arguments and does not look into them */

/* ---- effects_call.c ---- */
bool pf_e_is_method(PyObject *name); /* one of pure_callables.def */
typedef struct pf_e_call {
    pf_e_entry *entry;
    int instr;
    pf_e_value callee;
    pf_e_value *args;
    int nargs;         /* keywords included, they are the last */
    PyObject *kwnames; /* tuple or NULL; borrowed */
    bool spread;       /* f(*a, **k): the last one stands for any number of arguments of any name */
} pf_e_call;
pf_e_value pf_e_do_call(pf_analysis *a, const pf_e_call *call);

static inline int pf_e_keyword_count(const pf_e_call *c)
{
    return c->kwnames != NULL ? (int)PyTuple_GET_SIZE(c->kwnames) : 0;
}

/* ---- effects_bind.c ---- */
pf_e_value pf_e_call_function(pf_analysis *a, const pf_e_call *c, PyFunctionObject *func);
pf_e_value pf_e_call_made(pf_analysis *a, const pf_e_call *c); /* the callee is a FUNC */

/* ---- effects_attr.c ---- */
pf_e_value pf_e_attribute(pf_analysis *a, pf_e_entry *entry, int instr, pf_e_value owner, PyObject *name);

#endif
