/* Whether others have had a turn (turns.h). The counters stand in structs of the interpreter that differ between
 * versions and, in theory, between patches of one: they are used if the fields around them are what the running
 * interpreter says of itself. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include "internal/pycore_interp.h"
#include "internal/pycore_runtime.h"
#include "internal/pycore_signal.h" /* 3.13: _PyOS_IsMainThread */

#include "turns.h"

static bool trusted;
static PyObject *get_handler, *usual_handler; /* of signals; kept for the process */
static long nsignals;

static const struct _gil_runtime_state *gil_of(const PyInterpreterState *interp)
{
#if PY_VERSION_HEX < 0x030c0000
    (void)interp;
    return &_PyRuntime.ceval.gil;
#else
    return interp->ceval.gil == &interp->_gil ? &interp->_gil : NULL; /* compared before it is followed */
#endif
}

static bool holds_gil(const struct _gil_runtime_state *gil, const PyThreadState *thread)
{
#if PY_VERSION_HEX < 0x030d0000
    return (const PyThreadState *)_Py_atomic_load_relaxed(&gil->last_holder) == thread &&
           _Py_atomic_load_relaxed(&gil->locked) == 1;
#else
    return gil->last_holder == thread && gil->locked == 1;
#endif
}

/* Does the collector's switch move where it is thought to be? */
static bool knows_collector(const struct _gc_runtime_state *gc)
{
    int was = PyGC_Disable();
    bool off = gc->enabled == 0;
    PyGC_Enable();
    bool on = gc->enabled == 1;
    if (!was) {
        PyGC_Disable();
    }
    return off && on;
}

int pf_turns_init(void)
{
    const PyThreadState *thread = PyThreadState_Get();
    const struct _gil_runtime_state *gil = gil_of(thread->interp);
    trusted = gil != NULL && holds_gil(gil, thread) && knows_collector(&thread->interp->gc);
    PyObject *module = PyImport_ImportModule("_signal"); /* which the interpreter has, from its start on */
    if (module == NULL) {
        return -1;
    }
    get_handler = PyObject_GetAttrString(module, "getsignal");
    usual_handler = PyObject_GetAttrString(module, "default_int_handler");
    PyObject *signals = PyObject_GetAttrString(module, "NSIG");
    nsignals = signals != NULL ? PyLong_AsLong(signals) : -1;
    Py_XDECREF(signals);
    Py_DECREF(module);
    return get_handler != NULL && usual_handler != NULL && nsignals > 0 ? 0 : -1;
}

/* By handlers that are neither a number (SIG_DFL, SIG_IGN) nor the one that raises KeyboardInterrupt. */
static bool handles_signals(void)
{
    bool own = false;
    for (long number = 1; number < nsignals && !own; number++) {
        PyObject *signal = PyLong_FromLong(number); /* small: no allocation */
        PyObject *handler = PyObject_CallOneArg(get_handler, signal);
        own = handler != Py_None && handler != usual_handler && (handler == NULL || !PyLong_CheckExact(handler));
        Py_XDECREF(handler);
        Py_DECREF(signal);
    }
    PyErr_Clear();
    return own;
}

bool pf_is_interrupted(void *ctx)
{
    (void)ctx;
    const bool came = PyOS_InterruptOccurred() != 0;
    if (came) {
        PyErr_SetInterrupt(); /* asking has taken it away */
    }
    return came;
}

bool pf_turns_tell(void)
{
    return trusted && !(_PyOS_IsMainThread() && handles_signals());
}

uint64_t pf_turns(void)
{
    if (!trusted) {
        return 0;
    }
    const PyInterpreterState *interp = PyThreadState_Get()->interp;
    const struct gc_generation_stats *stats = interp->gc.generation_stats;
    uint64_t turns = gil_of(interp)->switch_number;
    for (int i = 0; i < NUM_GENERATIONS; i++) {
        turns += (uint64_t)stats[i].collections;
    }
    return turns;
}
