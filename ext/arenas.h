/* Memory for many new objects.
 *
 * CPython takes it from the system an arena (1 MiB) at a time, whose pages the system then makes one by one, at the
 * first write to each; for floats in a list that is a quarter of the time. Between pf_arenas_begin and pf_arenas_end
 * every arena gets all of its pages at once. Needs the GIL, which must not be released in between, nor may any Python
 * code run. */
#ifndef PF_ARENAS_H
#define PF_ARENAS_H

void pf_arenas_begin(void);
void pf_arenas_end(void);

#endif
