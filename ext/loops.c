/* What the loops of generator expressions make of rows (loops.h): a table of code objects by their addresses. */
#include "loops.h"

#include "decode.h"
#include "frame.h"
#include "introspect_layout.h"

enum { FIRST_REST = 16, MOST_REST = 4096, WORTH_ROWS = 128, NEAR_ROWS = 48 };

pf_loop pf_loops[PF_LOOP_PLACES][2];

/* Code of another form has other lines and columns, or more instructions. Kept by the table itself. */
static Py_hash_t lines_of(PyCodeObject *code)
{
    return PyObject_Hash(code->co_linetable);
}

static pf_loop look_at(PyCodeObject *code)
{
    pf_loop e = {.code = code, .lines = lines_of(code), .next_rest = FIRST_REST, .genexpr = pf_code_is_genexpr(code)};
    pf_code_counts counts;
    if (!e.genexpr) {
        return e;
    }
    if (pf_code_count(code, &counts) < 0) {
        PyErr_Clear(); /* no memory to look: it is small, then */
        return e;
    }
    e.nested = counts.loops > 1;
    e.steady = counts.loops == 1 && counts.yields == 1 && counts.branches == 0;
    return e;
}

pf_loop *pf_loop_find(PyCodeObject *code)
{
    pf_loop *place = pf_loops[((uintptr_t)code >> 5) % PF_LOOP_PLACES];
    if (place[0].code != code) {
        pf_loop found = place[1].code == code ? place[1] : look_at(code);
        place[1] = place[0];
        place[0] = found;
    }
    return place;
}

/* Even where another code object has taken the address. */
static const pf_loop *loop_for_certain(PyCodeObject *code)
{
    pf_loop *loop = pf_loop_of(code);
    if (loop->lines != lines_of(code)) {
        *loop = look_at(code);
    }
    return loop;
}

bool pf_loops_steady(PyCodeObject *code)
{
    return loop_for_certain(code)->steady;
}

bool pf_loops_nested(PyCodeObject *code)
{
    return loop_for_certain(code)->nested;
}

void pf_loops_made(PyCodeObject *code, int64_t rows)
{
    pf_loop *loop = pf_loop_of(code);
    if (rows >= WORTH_ROWS) {
        loop->next_rest = FIRST_REST;
    } else {
        loop->rest = loop->next_rest;
        loop->next_rest = loop->next_rest < MOST_REST ? loop->next_rest * 2 : MOST_REST;
    }
}

PyCodeObject *pf_loop_code(PyObject *iterator)
{
    PyObject *function = NULL;
    if (Py_TYPE(iterator) == pf_types.types[PF_T_GENERATOR] && pf_types.ok[PF_T_GENERATOR]) {
        return pf_frame_glance(iterator);
    }
    if (Py_TYPE(iterator) == pf_types.types[PF_T_FILTER] && pf_types.ok[PF_T_FILTER]) {
        function = ((pf_func_iter *)iterator)->func;
    } else if (Py_TYPE(iterator) == pf_types.types[PF_T_MAP] && pf_types.ok[PF_T_MAP]) {
        function = ((pf_map *)iterator)->func;
    }
    return function != NULL && PyFunction_Check(function) ? (PyCodeObject *)((PyFunctionObject *)function)->func_code : NULL;
}

void pf_loop_ended(const PyCodeObject *code, int64_t before, int64_t left)
{
    enum { ROUND = 240, MOST = 1 << 24 };
    pf_loop *loop = pf_loops[((uintptr_t)code >> 5) % PF_LOOP_PLACES];
    if (loop->code != code) {
        return; /* pushed aside meanwhile */
    }
    bool near = before < INT64_MAX && left < INT64_MAX && before - left <= NEAR_ROWS;
    loop->near = !near ? 0 : loop->near < MOST ? loop->near + 1 : MOST;
    loop->passed = loop->passed < UINT8_MAX ? loop->passed + 1 : ROUND;
}
