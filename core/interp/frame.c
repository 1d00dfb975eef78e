/* A frame: everything one thread needs to run one program, in a single block of memory.
 *
 *   pf_frame | machine | states | columns, outputs, failed rows, row numbers | compaction records |
 *   scalar area and registers | column memory | kind memory */
#include <string.h>

#include "program.h"

#include "../base/mem.h"

/* Walks the block: with base NULL it only adds up. */
typedef struct layout {
    uint8_t *base;
    size_t at;
} layout;

static void *part(layout *l, size_t size)
{
    size_t at = l->at;
    l->at = (at + size + 63) & ~(size_t)63;
    return l->base == NULL ? NULL : l->base + at;
}

static pf_frame *lay_out(const pf_program *p, layout *l)
{
    pf_frame *frame = part(l, sizeof *frame);
    pf_machine *m = part(l, sizeof *m);
    pf_frame frame_parts = {
        .columns = part(l, p->ncolumns * sizeof(pf_vec)),
        .outputs = part(l, p->noutputs * sizeof(pf_vec)),
        .out_rows = NULL,
        .failed = part(l, PF_LANES * sizeof(pf_failed)),
        .stop = -1,
    };
    pf_machine machine_parts = {
        .states = part(l, p->nvalues * sizeof(pf_state)),
        .alive = part(l, PF_LANES),
        .compact_n = part(l, (p->ncompacts + 1) * sizeof(int32_t)),
        .compact_bits = part(l, (p->ncompacts + 1) * (PF_LANES / 8)),
        .rows = part(l, PF_LANES * sizeof(uint16_t)),
        .failed = part(l, PF_LANES * sizeof(pf_failed)),
        .kind_memory = part(l, p->ncolumns * sizeof(uint8_t *)),
        .registers = part(l, p->register_bytes),
    };
    frame_parts.memory = machine_parts.registers;
    frame_parts.private_ = m;
    for (uint32_t i = 0; i < p->ncolumns; i++) {
        void *data = part(l, (size_t)PF_LANES * pf_lane_bytes(p->columns[i]));
        uint8_t *kind = part(l, PF_LANES);
        if (l->base != NULL) {
            frame_parts.columns[i] = (pf_vec){
                .data = data, .seen = p->columns[i], .lo = INT64_MIN, .hi = INT64_MAX, .takes_source = p->fetched[i]};
            machine_parts.kind_memory[i] = kind;
        }
    }
    if (l->base != NULL) {
        *frame = frame_parts;
        *m = machine_parts;
    }
    return frame;
}

/* The parts of states that no run changes, and constants. */
static void prepare(const pf_program *p, pf_machine *m)
{
    memset(m->alive, 1, PF_LANES);
    for (uint32_t v = 1; v < p->nvalues; v++) {
        const pf_value *value = &p->values[v];
        pf_state *s = &m->states[v];
        *s = (pf_state){.range = PF_INTERVAL_ALL, .seen = value->kinds};
        s->data = value->slot == PF_NO_SLOT ? NULL : m->registers + value->slot;
        s->high = value->wide ? (int64_t *)(void *)(m->registers + value->high_slot) : NULL;
        s->kind = value->kind_slot == PF_NO_SLOT ? NULL : m->registers + value->kind_slot;
        if (value->origin == PF_VALUE_CONST) {
            int64_t payload = p->constants[value->index];
            memset(s->data, 0, PF_SCALAR_BYTES);
            if (value->lane == PF_LANE_BYTE) {
                *(uint8_t *)s->data = payload != 0;
            } else {
                memcpy(s->data, &payload, sizeof payload);
            }
            s->width = value->wide ? PF_WIDTH_U64 : PF_WIDTH_I64;
            s->range = value->kinds == PF_K_I64 && !value->wide ? (pf_interval){payload, payload} : PF_INTERVAL_ALL;
        }
    }
}

pf_status pf_frame_new(const pf_program *program, pf_frame **out)
{
    layout l = {NULL, 0};
    lay_out(program, &l);
    l.base = pf_mem_aligned(l.at);
    if (l.base == NULL) {
        return PF_NOMEM;
    }
    l.at = 0;
    pf_frame *frame = lay_out(program, &l);
    memset(frame->outputs, 0, program->noutputs * sizeof *frame->outputs);
    prepare(program, frame->private_);
    *out = frame;
    return PF_OK;
}

void pf_frame_free(pf_frame *frame)
{
    pf_mem_free(frame);
}

uint8_t *pf_frame_kind_memory(pf_frame *frame, uint32_t column)
{
    const pf_machine *m = frame->private_;
    return m->kind_memory[column];
}
