/* Memory that holds machine code: written once, then only run. Thread-safe. */
#ifndef PF_PRIM_CODE_H
#define PF_PRIM_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether this process may make code at all; some systems forbid it. Tried once. */
bool pf_code_allowed(void);

/* A copy of the bytes that can be run and no longer be written; NULL where there is no memory for it. Free with
 * pf_code_free and the same size. */
void *pf_code_new(const uint8_t *bytes, size_t size);
void pf_code_free(void *code, size_t size); /* code may be NULL */

#endif
