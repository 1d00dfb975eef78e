/* Is a Python function pure? Read from its bytecode, and from that of everything it calls.
 *
 * Pure means: pure as long as every operand that comes in from outside (arguments, items of what is iterated) is of an
 * exact builtin type, which is checked per row elsewhere. On that ground every operator, subscription, iteration and
 * formatting of such operands has no effect. What remains to be proven is that the function
 *   - writes no global, no attribute and no variable of an enclosing function (its own cells are its own business),
 *   - changes no object in place that it did not make itself: `out = []; out.append(x)` is pure, `arg.append(x)`
 *     mutates-argument, and a mutable default mutates-default,
 *   - imports nothing, awaits nothing, opens no context manager, defines no class,
 *   - advances no iterator from outside,
 *   - calls only what is pure: Python functions (proven in turn, with the values they are given, so functions passed
 *     as arguments are followed and helpers may fill the caller's own containers; a cycle is assumed pure while it is
 *     being proven), functions and types of pure_callables.def, and methods by name. A method by name is pure when
 *     every builtin type that has a method of that name leaves its receiver alone; mutating ones (append, update...)
 *     are allowed on what the function made.
 * Reading globals, cells and defaults is pure (guards watch them), and so is reading the contents of a captured
 * builtin container, for one call. Raising is an outcome, not an effect. Generators are as pure as their bodies.
 * An operator on a captured object of a class of the user's own runs that class's code: not provable.
 *
 * An object that somebody else keeps is looked at only where that runs no code but its type's own: exact data, all the
 * way down, and functions and ordinary classes as such. What stands for other objects or shows them (proxies, views,
 * deques, defaultdicts) is not, nor is a container that holds anything unknown, nor a dict with such a key if it is
 * searched.
 *
 * In-place operators (`n -= 1`) on arguments are judged as on immutable ones, by the rule of exact types, unless the
 * other operand is a list, set or dict that the function just made. Codecs other than the default may be the user's.
 *
 * No user code runs and no audit event is raised. All functions need the GIL. */
#ifndef PF_EXT_EFFECTS_H
#define PF_EXT_EFFECTS_H

#include <Python.h>
#include <stdbool.h>

typedef struct pf_effects {
    bool pure;
    bool gives_rows; /* what it returns (or yields) is as operands are: exact scalars, or tuples and what it made */
    bool may_warn;   /* ~: of a bool CPython warns from 3.12 on, and what a warning calls is anybody's */
    int reason;           /* pf_reason: NONE if pure, UNRESOLVED if all that is missing are names not yet defined */
    PyObject *function;   /* owned: qualified name of the function with the offending instruction; NULL if pure */
    PyObject *file;       /* owned: its file name; NULL if pure */
    int line, col;        /* from 1; 0 where unknown */
    PyObject *name;       /* owned: the argument, variable, method or callable concerned; may be NULL */
    PyObject *unresolved; /* owned: list of the names that are not defined yet; NULL when there are none */
} pf_effects;

/* Proves a Python function, or anything else that can be called. 0 with *out filled (to be given to
 * pf_effects_clear), or -1 with an exception set (no memory). */
int pf_effects_function(PyObject *callable, pf_effects *out);

/* The same for code that is not in a function object: a generator expression's. cells are the nfree cell objects of
 * its closure; NULL where one is not known, which reads as an object nothing is known about. */
typedef struct pf_effects_scope {
    PyCodeObject *code;
    PyObject *globals;
    PyObject *builtins; /* a dict; NULL: that of the running interpreter */
    PyObject *const *cells;
    int ncells;
} pf_effects_scope;
int pf_effects_code(const pf_effects_scope *scope, pf_effects *out);

void pf_effects_clear(pf_effects *effects);

/* New reference: "mutates-argument: An argument is changed in place ('xs', in f at file.py:3:5)"; NULL on error. */
PyObject *pf_effects_message(const pf_effects *effects);

/* @pf.pure. Adds PurityError, _prove, _prove_pending and _effects to the module: 0, or -1 with an exception set. */
int pf_purity_add(PyObject *module);

/* To be called when a function is first used by a chain: if it was declared pure before all its names were defined, it
 * is proven now. 0, or -1 with PurityError set, which names the definition and the use. Cheap when nothing is pending.
 */
int pf_prove_pending(PyObject *function);

#endif
