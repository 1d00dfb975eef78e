/* Which lane is which row, and which rows failed.
 *
 * Compactions are recorded as bitmasks; the rows of the present lanes are worked out from them only when somebody asks:
 * when a row fails or stops, or when the caller wants rows. */
#include <string.h>

#include "program.h"

enum { WORDS = PF_LANES / 64 };

void pf_machine_begin(pf_machine *m, int32_t n)
{
    m->n = n;
    m->rows_at = -1;
    m->ncompacts = 0;
    memset(m->failed_rows, 0, sizeof m->failed_rows);
    if (m->deaths) {
        memset(m->alive, 1, PF_LANES);
        m->deaths = false;
    }
}

uint64_t *pf_machine_record(const pf_machine *m, int32_t compaction)
{
    return m->compact_bits + (size_t)compaction * WORDS;
}

uint64_t *pf_machine_bits(const pf_machine *m)
{
    return pf_machine_record(m, m->ncompacts);
}

void pf_machine_compacted(pf_machine *m, int32_t count)
{
    m->compact_n[m->ncompacts++] = m->n;
    m->n = count;
    if (m->deaths) {
        memset(m->alive, 1, PF_LANES);
        m->deaths = false;
    }
}

const uint16_t *pf_machine_rows(pf_machine *m)
{
    if (m->rows_at < 0) {
        for (uint16_t i = 0; i < PF_LANES; i++) {
            m->rows[i] = i;
        }
        m->rows_at = 0;
    }
    for (; m->rows_at < m->ncompacts; m->rows_at++) {
        const uint64_t *bits = pf_machine_record(m, m->rows_at);
        const int32_t words = (m->compact_n[m->rows_at] + 63) / 64;
        uint32_t k = 0;
        for (int32_t w = 0; w < words && k < PF_LANES; w++) {
            for (uint64_t word = bits[w]; word != 0; word &= word - 1) {
                m->rows[k++] = m->rows[64 * w + __builtin_ctzll(word)];
            }
        }
    }
    return m->rows;
}

void pf_machine_fail(pf_machine *m, int32_t lane, const pf_failed *how)
{
    const uint16_t row = pf_machine_rows(m)[lane];
    m->alive[lane] = 0;
    m->deaths = true;
    m->failed[row] = *how;
    m->failed[row].row = row;
    m->failed_rows[row / 64] |= UINT64_C(1) << (row % 64);
}

void pf_machine_end(pf_machine *m, pf_frame *frame)
{
    const int32_t end = frame->stop < 0 ? PF_LANES : frame->stop; /* rows from here on do not exist */
    frame->nfailed = 0;
    for (int32_t w = 0; w < WORDS; w++) {
        for (uint64_t word = m->failed_rows[w]; word != 0; word &= word - 1) {
            const int32_t row = 64 * w + __builtin_ctzll(word);
            if (row < end) {
                frame->failed[frame->nfailed++] = m->failed[row];
            }
        }
    }
    frame->out_rows = NULL;
    if (frame->want_rows || frame->nfailed > 0 || (frame->stop >= 0 && frame->nout > 0)) {
        const uint16_t *rows = pf_machine_rows(m);
        while (frame->nout > 0 && rows[frame->nout - 1] >= end) {
            frame->nout--;
        }
        frame->out_rows = frame->want_rows || frame->nfailed > 0 ? m->rows : NULL;
    }
}
