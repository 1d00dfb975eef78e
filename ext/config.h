/* Settings: what pf.config and the environment say.
 *
 * They are context-local, as decimal's are: a change is seen by the code that runs in the same contextvars context. Yet
 * reading them costs a copy of a few bytes as long as nobody has ever changed one in this process, which is nearly
 * always. Statics belong to the main interpreter; others get the plain builtins and never come here. */
#ifndef PF_EXT_CONFIG_H
#define PF_EXT_CONFIG_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "../core/rewrite/rewrite.h"

enum { PF_TIER_CPYTHON = 0, PF_TIER_VECTORS = 1, PF_TIER_AUTO = -1 };
enum { PF_MAX_RULES = 192 };

/* Rules of the binding's own stand behind those of rewrite.h. */
enum { PF_RULE_RANGE_STRIDE = PF_RULE_COUNT, PF_ALL_RULES };

/* A set of rewrite rules: bit i stands for rule i of those given to pf_config_add. */
typedef struct pf_rule_set {
    uint64_t bits[PF_MAX_RULES / 64];
} pf_rule_set;

static inline bool pf_rule_set_has(const pf_rule_set *set, int rule) { return (set->bits[rule / 64] >> (rule % 64) & 1) != 0; }

typedef struct pf_settings {
    int threads;        /* the caller included; 0: as many as this process may use CPUs */
    int tier;           /* PF_TIER_*; CPYTHON: every call goes to the builtin */
    int64_t min_rows;   /* fewer rows stay in CPython; 0: the engine's own choice; 1: everything native and in parallel */
    int64_t plan_after; /* rows of a chain that go to CPython before a plan is made for it */
    pf_rule_set rules_off; /* rewrite rules that are switched off */
    bool off;           /* PUREFOLD_DISABLE=all */
    bool log_fallback;  /* print each distinct fallback reason once */
} pf_settings;

/* The settings of the calling context. Never fails: on trouble it gives the process's defaults. Needs the GIL. */
void pf_settings_now(pf_settings *out);
/* How many threads a run is to have. */
int pf_settings_threads(const pf_settings *settings);
int64_t pf_settings_min_rows(void); /* min_rows of the calling context alone */

extern bool pf_settings_few_stay; /* min_rows is 0, whatever the context */
static inline bool pf_few_rows_stay(void) { return pf_settings_few_stay || pf_settings_min_rows() == 0; }

/* Adds _config_get, _config_set and _config_default to the module. rules: names of the rewrite rules, in the order of
 * their bits, static. 0, or -1 with an error set. */
int pf_config_add(PyObject *module, const char *const *rules, int nrules);

#endif
