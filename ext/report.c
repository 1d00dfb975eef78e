/* What a thread's last call did (exec.h).
 *
 * The report holds a plan, and so Python objects, which only a thread with the GIL may let go: so it belongs to the dict of
 * the thread's state, and ends with that. */
#include <Python.h>

#include "../core/base/mem.h"
#include "exec.h"

static const char *const NAME = "purefold.report";
static _Thread_local pf_report *last; /* owned by a capsule in the thread's dict */

void pf_report_bail(pf_report *report, const pf_event_info *info)
{
    for (int i = 0; i < report->nbails; i++) {
        if (report->bails[i].op == info->op && report->bails[i].place == info->place) {
            report->bails[i].count++;
            return;
        }
    }
    if (report->nbails < (int)(sizeof report->bails / sizeof report->bails[0])) {
        report->bails[report->nbails].op = info->op;
        report->bails[report->nbails].place = info->place;
        report->bails[report->nbails++].count = 1;
    }
}

const pf_report *pf_last_report(void) { return last; }

/* On another thread only at the end of the interpreter. */
static void forget(PyObject *capsule)
{
    pf_report *report = PyCapsule_GetPointer(capsule, NAME);
    last = last == report ? NULL : last;
    pf_pyplan_release(report->plan);
    pf_mem_free(report);
}

/* The thread's first call. Without memory there is no report. */
static void make(void)
{
    PyObject *type, *value, *traceback, *dict = PyThreadState_GetDict();
    PyErr_Fetch(&type, &value, &traceback);
    pf_report *report = pf_mem_calloc(1, sizeof *report);
    PyObject *capsule = report != NULL ? PyCapsule_New(report, NAME, forget) : NULL;
    if (capsule == NULL) {
        pf_mem_free(report);
    } else {
        last = report;
        if (dict == NULL || PyDict_SetItemString(dict, NAME, capsule) < 0) {
            last = NULL; /* the capsule takes it along */
        }
        Py_DECREF(capsule);
    }
    PyErr_Restore(type, value, traceback);
}

void pf_keep_report(const pf_report *report)
{
    if (last == NULL) {
        make();
    }
    pf_pyplan *old = report->plan;
    if (last != NULL) {
        old = last->plan;
        *last = *report;
    }
    pf_pyplan_release(old);
}
