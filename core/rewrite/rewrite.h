/* Rewriting a row program: rules with names and laws (rules.def), applied until nothing changes.
 *
 * Nothing observable changes but time: every row yields the same values, ends, stops or bails as before. */
#ifndef PF_REWRITE_H
#define PF_REWRITE_H

#include "../column/vec.h"
#include "../ir/ir.h"

typedef enum pf_rule {
#define PASS(name, law) PF_RULE_##name,
#define RULE(name, op, kinds, from, to, law) PF_RULE_##name,
#include "rules.def"
#undef PASS
#undef RULE
    PF_RULE_COUNT
} pf_rule;

typedef struct pf_rule_info {
    const char *name, *law;
    const char *from, *to; /* NULL for passes */
    uint8_t op;            /* pf_op at the pattern's root */
    pf_kinds kinds;
} pf_rule_info;
extern const pf_rule_info pf_rules[PF_RULE_COUNT];

int pf_rewrite_rule(const char *name); /* pf_rule, or -1 */

typedef struct pf_rewrite_options {
    bool off[PF_RULE_COUNT]; /* rules that are not to be used */
} pf_rewrite_options;

typedef struct pf_rewrite_log {
    uint32_t fired[PF_RULE_COUNT]; /* how often each rule changed something */
    uint32_t rounds;
} pf_rewrite_log;

/* Rewrites a finished function in place. options NULL: all rules; log may be NULL and is added to.
 * On any failure fn is as it was: PF_NOMEM, or PF_INVALID when a rule broke the program (debug builds verify). */
PF_MUST_CHECK pf_status pf_rewrite_run(pf_fn *fn, const pf_rewrite_options *options, pf_rewrite_log *log);

/* ---- range_stride ----
 *
 * When the source is a range whose items are column `column`, and the first thing the program does with a row is to
 * drop it unless item % modulus == residue, the rows that stay are a range again: every `row_step`-th row from
 * `first_row` on. Modulus and residue may be params, so the range is found anew at each run. */

typedef struct pf_stride {
    pf_ref test; /* the comparison in fn */
    bool keep;   /* its value on rows that stay */
    bool modulus_is_param, residue_is_param;
    int64_t modulus, residue; /* values, or numbers of params */
} pf_stride;

typedef struct pf_stride_rows {
    int64_t first_row, row_step, n; /* row i of the restricted source is row first_row + i * row_step of the whole */
} pf_stride_rows;

/* Looks for such a filter in a finished function. False too when another column, or the row number, is read, or when a
 * dropped row could have bailed before it is dropped. */
bool pf_rewrite_find_stride(const pf_fn *fn, uint32_t column, pf_stride *out);
/* A copy of fn for the restricted source, without the test, rewritten. Belongs to the caller. To be run only over what
 * pf_stride_apply says, with the same params. */
PF_MUST_CHECK pf_status pf_rewrite_with_stride(const pf_fn *fn, const pf_stride *stride,
                                               const pf_rewrite_options *options, pf_rewrite_log *log, pf_fn **out);
/* The rows that stay of range(start, start + n * step, step) (items in i64, n >= 0). False where CPython would raise
 * (modulus 0) or a param is no i64: run fn itself over the whole source. */
bool pf_stride_apply(const pf_stride *stride, const pf_scalar *params, int64_t start, int64_t step, int64_t n,
                     pf_stride_rows *out);

#endif
