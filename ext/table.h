/* Captured containers that rows are looked up in, `x in S`: their items as a set of the core (core/column/set.h).
 *
 * A list, tuple, set, frozenset or dict (its keys), of exactly that type, whose items are all exact scalars or ints
 * beyond 64 bits. What it holds is no part of the plan: it is read at each call and whenever other code may have run,
 * compared with what was read before, and a new table is made where they differ. Of what was read, the strs alone are
 * kept alive, whose text the set looks at.
 *
 * Counted, since a run goes on with the table it began with. Everything here needs the GIL and runs no Python code. */
#ifndef PF_EXT_TABLE_H
#define PF_EXT_TABLE_H

#include <Python.h>
#include <stdbool.h>

#include "../core/column/set.h"

typedef struct pf_table_item {
    pf_scalar scalar;
    PyObject *held; /* owned: a str, or a copy of an int beyond 64 bits; NULL: the scalar says it all */
} pf_table_item;

typedef struct pf_table {
    Py_ssize_t refs;
    pf_set *set;
    Py_ssize_t n;
    pf_table_item items[]; /* in the container's own order */
} pf_table;

/* Of an exact type that tables are made of. */
bool pf_table_is_of(PyObject *container);
/* NULL: an item is no scalar, or there is no memory; no exception is left. */
pf_table *pf_table_new(PyObject *container);
void pf_table_release(pf_table *table); /* NULL allowed */
/* Whether the container has the table's items still. */
bool pf_table_matches(const pf_table *table, PyObject *container);
Py_ssize_t pf_table_size(PyObject *container);

#endif
