/* Tier 1: a row program run a vector at a time.
 *
 * pf_interp_compile lowers IR to a linear program over vector registers: blocks in order, one byte mask per block,
 * block arguments blended per edge; a top-level filter compacts the live lanes. i64 arithmetic goes unchecked when
 * the operands' intervals prove it, else through a checked kernel whose flags are looked at once per vector, and
 * only then lane by lane. Kernels are chosen once per process for the CPU (kernels.h).
 *
 * Thread-safety: a pf_program is immutable after compile and shared by all workers; a pf_frame belongs to one thread.
 */
#ifndef PF_INTERP_H
#define PF_INTERP_H

#include "../column/vec.h"
#include "../ir/ir.h"

typedef struct pf_program pf_program;

/* What may come out of ints that do not fit 64 bits. */
typedef enum pf_outputs {
    PF_OUTPUTS_I64, /* nothing: they bail */
    PF_OUTPUTS_SUM, /* output 0: all 128 bits (pf_vec.width); or, where all lanes are narrow (pf_is_narrow), a
                     * sequence (pf_vec.kept) */
    PF_OUTPUTS_U64  /* lanes of kind PF_K_U64 */
} pf_outputs;

/* PF_UNSUPPORTED where tier 1 has no kernel; the caller falls back. */
PF_MUST_CHECK pf_status pf_interp_compile(const pf_fn *fn, pf_outputs ints, pf_program **out);
void pf_interp_free(pf_program *program); /* NULL allowed */
/* Whether runs of float steps become machine code here, by the CPU and by what this process may do. */
bool pf_interp_emits(void);

typedef struct pf_failed {
    uint16_t row;    /* index within the vector's rows */
    uint16_t place;  /* pf_inst.place of the op that bailed */
    uint8_t op;      /* pf_op that bailed */
    uint8_t barrier; /* 1 when the lane's kind was PF_K_FOREIGN */
} pf_failed;

typedef struct pf_frame {
    /* in */
    pf_vec *columns;         /* one per pf_fn.columns, filled by gather; lanes [0, n) */
    const pf_scalar *params; /* one per pf_fn.params */
    const uint64_t *strings; /* handle of each pf_fn.strings */
    pf_str_view_fn str_view; /* NULL when the program has no str */
    int64_t row0;            /* number of lane 0's row */
    int32_t n;               /* rows, 1..PF_LANES */
    int64_t *counts;         /* in and out: one per pf_fn.ncounters. After a vector in which a row failed or stopped they mean
                              * nothing, nor do the ranks of the rows behind that one */
    /* out: rows that yielded and did not bail, in row order */
    pf_vec *outputs; /* one per pf_fn.outputs: data points at the frame's own memory, valid until the next run */
    int32_t nout;
    uint16_t *out_rows; /* row index of each output lane; NULL unless want_rows */
    bool want_rows;     /* in: set it before running; failed rows switch it on for that vector, see out_rows */
    pf_failed *failed;  /* rows that bailed, ascending; none of them is in the outputs */
    int32_t nfailed;
    int32_t stop;   /* index of the first row that reached `stop`, or -1; failed and output rows past it are cut off */
    void *memory;   /* registers */
    void *private_; /* the interpreter's own */
} pf_frame;

/* A frame for this program: allocates registers, column memory (columns[i].data and kind memory) and outputs. */
PF_MUST_CHECK pf_status pf_frame_new(const pf_program *program, pf_frame **out);
void pf_frame_free(pf_frame *frame); /* NULL allowed */
/* Kind memory of column i for a gather that meets several kinds: it points columns[i].kind here. */
uint8_t *pf_frame_kind_memory(pf_frame *frame, uint32_t column);

/* Runs one vector. When nfailed > 0, out_rows is always valid. Reentrant across frames. */
void pf_interp_run(const pf_program *program, pf_frame *frame);

/* Text of the lowered program, for explain and tests; as snprintf. */
size_t pf_interp_print(const pf_program *program, char *out, size_t size);

#endif
