/* Pins, and outputs that wait for the end of a window (later.h). */
#include "later.h"

#include <string.h>

#include "../core/base/mem.h"
#include "replay.h"

/* Room for one more element; doubles. */
static bool has_room(void *memory, int64_t n, int64_t *room, size_t width)
{
    if (n < *room) {
        return true;
    }
    int64_t more = *room == 0 ? 256 : *room * 2;
    void *grown = pf_mem_realloc(*(void **)memory, (size_t)more * width);
    if (grown == NULL) {
        return false;
    }
    *(void **)memory = grown;
    *room = more;
    return true;
}

/* ---- pins ---- */

static pf_status pin(void *ctx, uint64_t handle)
{
    pf_later *later = ctx;
    if (!has_room(&later->pins, later->npins, &later->pin_room, sizeof *later->pins)) {
        return PF_NOMEM;
    }
    later->pins[later->npins++] = Py_NewRef((PyObject *)(uintptr_t)handle);
    return PF_OK;
}

pf_status pf_later_pin(pf_later *later, pf_run *run) { return pf_run_visit_ahead(run, pin, later); }

void pf_later_unpin(pf_later *later)
{
    while (later->npins > 0) {
        Py_DECREF(later->pins[--later->npins]);
    }
}

/* ---- waiting outputs ---- */

/* Steals item. -1 with an exception. */
static int push(pf_later *later, PyObject *item, int64_t row)
{
    if (!has_room(&later->waiting, later->nwaiting, &later->waiting_room, sizeof *later->waiting)) {
        Py_DECREF(item);
        PyErr_NoMemory();
        return -1;
    }
    later->waiting[later->nwaiting++] = (struct pf_waiting){item, row};
    return 0;
}

int pf_later_queue(pf_later *later, const pf_pyplan *plan, const pf_piece *piece, int64_t *row)
{
    for (int64_t i = 0; i < piece->count; i++) {
        PyObject *item = pf_box_output(plan, piece->columns, i);
        *row = piece->rows[i];
        if (item != NULL && !pf_is_harmless(item)) { /* the function may run code of its type: not ahead of its time */
            Py_CLEAR(item);
        }
        if (item == NULL || push(later, item, *row) < 0) { /* the row is done anew, and whole */
            while (later->nwaiting > 0 && later->waiting[later->nwaiting - 1].row == *row) {
                Py_DECREF(later->waiting[--later->nwaiting].item);
            }
            return -1;
        }
    }
    return 0;
}

int64_t pf_later_call(pf_later *later, pf_sink *sink, int64_t (*source_row)(const void *ctx, int64_t row), const void *ctx)
{
    int64_t failed = -1;
    for (int64_t i = 0; i < later->nwaiting; i++) {
        struct pf_waiting *next = &later->waiting[i];
        if (failed < 0) {
            sink->row = source_row(ctx, next->row);
            if (sink->foreign || sink->type->object(sink, next->item) < 0) { /* foreign: what waits is out of date */
                failed = sink->row;
                for (later->before = 0; i > later->before && later->waiting[i - 1 - later->before].row == next->row;) {
                    later->before++; /* none of them is in an earlier window's queue: rows are merged whole */
                }
                PyErr_Fetch(&later->error, &later->value, &later->traceback);
            }
        }
        Py_DECREF(next->item);
    }
    later->nwaiting = 0;
    return failed;
}

int pf_later_raise(pf_later *later)
{
    if (later->before > 0) {
        later->before--;
        return 1;
    }
    if (later->error == NULL) {
        return 0;
    }
    PyErr_Restore(later->error, later->value, later->traceback);
    later->error = later->value = later->traceback = NULL;
    return -1;
}

/* ---- blocks ---- */

int pf_later_add(pf_later *later, PyObject *item, int64_t row)
{
    return push(later, Py_NewRef(item), row);
}

static int64_t block_end(const pf_sink *sink, int64_t row)
{
    return row - row % sink->type->block + sink->type->block;
}

void pf_later_keep(pf_later *later, const pf_sink *sink)
{
    PyErr_Fetch(&later->error, &later->value, &later->traceback);
    later->error_end = block_end(sink, sink->row);
}

int64_t pf_later_close(pf_later *later, pf_sink *sink, int64_t row)
{
    int64_t n = 0, end = -1;
    if (later->error != NULL) {
        return later->error_end <= row ? later->error_end : -1;
    }
    while (end < 0 && n < later->nwaiting && block_end(sink, later->waiting[n].row) <= row) {
        int64_t behind = block_end(sink, later->waiting[n].row);
        for (; n < later->nwaiting && later->waiting[n].row < behind && later->error == NULL; n++) {
            sink->row = later->waiting[n].row;
            if (sink->type->object(sink, later->waiting[n].item) < 0) {
                pf_later_keep(later, sink);
            }
        }
        end = later->error != NULL || (sink->wary && sink->foreign) ? behind : -1;
    }
    int64_t done = end < 0 ? n : later->nwaiting;
    for (int64_t i = 0; i < done; i++) {
        Py_DECREF(later->waiting[i].item);
    }
    later->nwaiting -= done;
    if (done > 0) {
        memmove(later->waiting, later->waiting + done, (size_t)later->nwaiting * sizeof *later->waiting);
    }
    return end;
}

void pf_later_clear(pf_later *later)
{
    pf_later_unpin(later);
    for (int64_t i = 0; i < later->nwaiting; i++) {
        Py_DECREF(later->waiting[i].item);
    }
    pf_mem_free(later->pins);
    pf_mem_free(later->waiting);
    Py_XDECREF(later->error);
    Py_XDECREF(later->value);
    Py_XDECREF(later->traceback);
    memset(later, 0, sizeof *later);
}
