/* Whether two builds of the kernels give the same answers: a newer instruction set is used only where it does
 * (dispatch.c).
 *
 * The tests hold every build to the evaluator, but only on machines that can run it. So a machine that can run one
 * which few have looks for itself, once: every kernel on the same vectors, the results compared byte by byte. It takes
 * about a millisecond. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

#include "../base/mem.h"
#include "../column/vec.h"

enum { N = 331, WORDS = PF_LANES / 64, RESULT = PF_LANES * 8 + 256 }; /* odd: tails matter */

/* How large the values of an input are: what kernels ask for that are told about intervals. */
enum { TINY, HALF, WIDE, NSIZES };

typedef struct arena {
    _Alignas(64) int64_t ints[2][NSIZES][PF_LANES];
    _Alignas(64) double floats[2][PF_LANES];
    _Alignas(64) int64_t near[PF_LANES]; /* multiples, and what lies beside them */
    _Alignas(64) uint8_t bools[2][PF_LANES];
    _Alignas(64) uint8_t kinds[PF_LANES];
    _Alignas(64) uint8_t results[2][RESULT], seconds[2][RESULT];
    uint64_t seed;
} arena;

typedef struct pair {
    const pf_kernels *k[2];
    arena *a;
    bool same;
} pair;

static uint64_t draw(arena *a)
{
    a->seed ^= a->seed << 13;
    a->seed ^= a->seed >> 7;
    a->seed ^= a->seed << 17;
    return a->seed;
}

static void fill_inputs(arena *a)
{
    static const int64_t edges[] = {
        0, 1, -1, INT64_MAX, INT64_MIN, INT64_C(1) << 31, -(INT64_C(1) << 31), INT64_C(1) << 53};
    static const double odd[] = {0.0, -0.0, 1.0, -1.5, 0x1p63, -0x1p63, 0x1p-1074, 0x1.fffffffffffffp1023, 2.5, -3.5};
    a->seed = UINT64_C(88172645463325252);
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < PF_LANES; i++) {
            uint64_t r = draw(a);
            a->ints[side][TINY][i] = (int64_t)(r % 2001) - 1000;
            a->ints[side][HALF][i] = (int64_t)(int32_t)(uint32_t)r;
            a->ints[side][WIDE][i] =
                r % 5 == 0 ? edges[(r >> 8) % (sizeof edges / sizeof *edges)] : (int64_t)draw(a) >> (r >> 16) % 60;
            a->floats[side][i] =
                r % 7 == 0 ? odd[(r >> 8) % (sizeof odd / sizeof *odd)] : (double)(int64_t)draw(a) * 0x1p-40;
            a->bools[side][i] = (uint8_t)(r >> 40 & 1);
            a->kinds[i] = (uint8_t)(1u << (r >> 44) % 4);
        }
    }
    for (int i = 0; i < PF_LANES; i += 3) { /* equal operands tell < from <= */
        a->ints[1][TINY][i] = a->ints[0][TINY][i];
        a->floats[1][i] = a->floats[0][i];
    }
    a->floats[0][3] = a->floats[1][5] = strtod("nan", NULL);
    a->floats[0][7] = a->floats[1][7] = strtod("inf", NULL);
}

static uint8_t *result(pair *p, int side)
{
    return memset(p->a->results[side], 0x5a, RESULT);
}

static void compare(pair *p, size_t bytes)
{
    p->same = p->same && memcmp(p->a->results[0], p->a->results[1], bytes) == 0;
}

/* One kernel of two operands or one; where lanes bail, both have to say so, and what they hold does not matter. */
static void try_kernel(pair *p, const pf_kernel kernel[2], const void *x, const void *y, size_t bytes)
{
    unsigned bad[2];
    if (kernel[0] == NULL || kernel[1] == NULL) {
        p->same = p->same && kernel[0] == kernel[1];
        return;
    }
    for (int side = 0; side < 2; side++) {
        bad[side] = kernel[side](result(p, side), x, y, NULL, N);
    }
    p->same = p->same && (bad[0] == 0) == (bad[1] == 0);
    if (bad[0] == 0 && bad[1] == 0) {
        compare(p, bytes);
    }
}

#define BOTH(p, field) ((const pf_kernel[2]){(p)->k[0]->field, (p)->k[1]->field})

static bool is_boolean(int op, int type)
{
    return pf_ops[op].result == PF_RES_BOOL || (pf_ops[op].result == PF_RES_SAME && type == PF_T_BOOL);
}

static void try_ops(pair *p)
{
    arena *a = p->a;
    for (int op = 0; op < PF_OP_COUNT; op++) {
        for (int form = 0; (pf_ops[op].laws & PF_LAW_LIBM) == 0 && form < PF_F_SS; form++) {
            for (int size = 0; size < NSIZES; size++) {
                try_kernel(p, BOTH(p, op[op][PF_T_I64][form]), a->ints[0][size], a->ints[1][TINY],
                           is_boolean(op, PF_T_I64) ? N : 8 * N);
            }
            try_kernel(p, BOTH(p, op[op][PF_T_F64][form]), a->floats[0], a->floats[1],
                       is_boolean(op, PF_T_F64) ? N : 8 * N);
            try_kernel(p, BOTH(p, op[op][PF_T_BOOL][form]), a->bools[0], a->bools[1],
                       is_boolean(op, PF_T_BOOL) ? N : 8 * N);
        }
    }
}

static void try_ints(pair *p)
{
    arena *a = p->a;
    static const int64_t divisors[] = {1, 2, 3, 7, 64, 1000, 1000003};
    for (int form = 0; form < PF_F_SS; form++) {
        try_kernel(p, BOTH(p, add[form]), a->ints[0][WIDE], a->ints[1][WIDE], 8 * N);
        try_kernel(p, BOTH(p, sub[form]), a->ints[0][WIDE], a->ints[1][WIDE], 8 * N);
        try_kernel(p, BOTH(p, mul[form]), a->ints[0][WIDE], a->ints[1][WIDE], 8 * N);
        try_kernel(p, BOTH(p, mul32[form]), a->ints[0][HALF], a->ints[1][HALF], 8 * N);
        try_kernel(p, BOTH(p, shl[form]), a->ints[0][HALF], a->ints[1][TINY], 8 * N);
    }
    try_kernel(p, BOTH(p, float_small), a->ints[0][HALF], NULL, 8 * N);
    for (size_t i = 0; i < sizeof divisors / sizeof *divisors; i++) {
        _Alignas(64) int64_t m[8] = {divisors[i]};
        if ((m[0] & (m[0] - 1)) == 0) {
            try_kernel(p, BOTH(p, mod_pow2), a->ints[0][WIDE], m, 8 * N);
            try_kernel(p, BOTH(p, fdiv_pow2), a->ints[0][WIDE], m, 8 * N);
        }
        try_kernel(p, BOTH(p, mod_small), a->ints[0][HALF], m, 8 * N);
        try_kernel(p, BOTH(p, fdiv_small), a->ints[0][HALF], m, 8 * N);
        const pf_mod_test test = pf_mod_test_of(m[0], m[0] / 2, (i & 1) != 0);
        for (int side = 0; side < 2; side++) {
            uint8_t *d = result(p, side);
            p->k[side]->mod_test(d, a->ints[0][WIDE], &test, N);
            p->k[side]->mod_test_small(d + 1024, a->ints[0][HALF], &test, N);
            p->k[side]->mod_test_iota(d + 2048, -500, 3, &test, N);
            if ((m[0] & (m[0] - 1)) == 0) {
                p->k[side]->mod_test_pow2(d + 3072, a->ints[0][WIDE], &test, N);
            }
            memset(d + N, 0, 1024 - N), memset(d + 1024 + N, 0, 1024 - N), memset(d + 2048 + N, 0, 1024 - N);
        }
        compare(p, 3072 + N);
    }
}

/* mod_keep, or those that it stands for. */
static int keep(const pf_kernels *k, uint64_t *bits, int64_t *kept, const int64_t *a, const pf_mod_test *test)
{
    _Alignas(64) uint8_t chosen[PF_LANES];
    if (k->mod_keep != NULL) {
        return k->mod_keep(bits, kept, a, test, N);
    }
    k->mod_test(chosen, a, test, N);
    const int count = k->bits(bits, chosen, 0, NULL, N);
    k->compress8((uint64_t *)kept, (const uint64_t *)a, bits, N);
    return count;
}

static void try_keeping_by(pair *p, const pf_mod_test *test)
{
    arena *a = p->a;
    int count[2];
    for (int i = 0; i < N; i++) {
        const int64_t x = a->ints[0][WIDE][i];
        a->near[i] =
            i % 4 == 0 ? x : (int64_t)((uint64_t)(x - x % test->m) + (uint64_t)test->c + (uint64_t)(i % 4) - 2);
    }
    for (int side = 0; side < 2; side++) {
        int64_t *kept = (int64_t *)(void *)result(p, side);
        uint64_t *bits = memset(a->seconds[side], 0, RESULT);
        count[side] = keep(p->k[side], bits, kept, a->near, test);
        memset(kept + count[side], 0, 8 * (size_t)(N - count[side]));
    }
    p->same = p->same && count[0] == count[1] && memcmp(a->seconds[0], a->seconds[1], RESULT) == 0;
    compare(p, 8 * N);
}

static void try_keeping(pair *p)
{
    static const int64_t divisors[] = {1, 2, 3, 96, 1000003, INT64_C(3) << 40, INT64_C(1) << 62, INT64_MAX};
    for (size_t i = 0; i < sizeof divisors / sizeof *divisors; i++) {
        const int64_t m = divisors[i], c[] = {0, m / 2, m - 1};
        for (size_t k = 0; k < sizeof c / sizeof *c; k++) {
            const pf_mod_test test = pf_mod_test_of(m, c[k], (i + k) % 3 == 0);
            try_keeping_by(p, &test);
        }
    }
}

static void try_mul_add(pair *p)
{
    const arena *a = p->a;
    for (int form = 0; form < 8; form++) {
        for (int side = 0; side < 2; side++) {
            p->k[side]->mul_add[form >> 2][form >> 1 & 1][form & 1]((double *)(void *)result(p, side), a->floats[0],
                                                                    a->floats[1], a->floats[0], N);
        }
        compare(p, 8 * N);
    }
}

static void try_choices(pair *p)
{
    arena *a = p->a;
    for (int form = 0; form < PF_F_COUNT; form++) {
        for (int side = 0; side < 2; side++) {
            p->k[side]->select[PF_LANE_WORD][form](result(p, side), a->bools[0], a->ints[0][WIDE], a->ints[1][WIDE], N);
        }
        compare(p, 8 * N);
        for (int side = 0; side < 2; side++) {
            p->k[side]->select[PF_LANE_BYTE][form](result(p, side), a->bools[0], a->kinds, a->bools[1], N);
        }
        compare(p, N);
    }
    for (int one = 0; one < 2; one++) {
        for (int side = 0; side < 2; side++) {
            p->k[side]->blend[PF_LANE_WORD][one](result(p, side), a->bools[0], a->ints[0][WIDE], N);
        }
        compare(p, 8 * N);
        for (int side = 0; side < 2; side++) {
            p->k[side]->blend[PF_LANE_BYTE][one](result(p, side), a->bools[0], a->kinds, N);
        }
        compare(p, N);
    }
}

/* Masks, and what moves lanes by them. */
static void try_moves(pair *p)
{
    arena *a = p->a;
    int count[2], branched[2];
    unsigned other[2];
    for (int round = 0; round < 2; round++) {
        const uint8_t *alive = round == 0 ? NULL : a->bools[1];
        for (int side = 0; side < 2; side++) {
            const pf_kernels *k = p->k[side];
            _Alignas(64) uint64_t bits[WORDS] = {0};
            uint8_t *d = result(p, side), *second = memset(a->seconds[side], 0, RESULT);
            count[side] = k->bits(bits, a->bools[0], (unsigned)round, alive, N);
            k->compress8((uint64_t *)(void *)d, (const uint64_t *)a->ints[0][WIDE], bits, N);
            k->compress1(second, a->kinds, bits, N);
            k->compress_iota((int64_t *)(void *)(second + 1024), 1000, round == 0 ? 1 : -7, bits, N);
            memset(second + count[side], 0, 1024 - (size_t)count[side]);
            memset(second + 1024 + 8 * (size_t)count[side], 0, RESULT - 1024 - 8 * (size_t)count[side]);
            memcpy(d + 4096, bits, sizeof bits);
            branched[side] = k->branch(d + 5120, d + 6144, a->bools[0], alive, N);
            k->is_kind(d + 7168, a->kinds, 3, N);
            other[side] = k->other_kind(a->kinds, 7, alive, N) != 0;
            memset(d + 8 * (size_t)count[side], 0, 4096 - 8 * (size_t)count[side]);
            memset(d + 5120 + N, 0, 1024 - N), memset(d + 6144 + N, 0, 1024 - N);
        }
        p->same = p->same && count[0] == count[1] && branched[0] == branched[1] && other[0] == other[1] &&
                  memcmp(a->seconds[0], a->seconds[1], RESULT) == 0;
        compare(p, 7168 + N);
    }
}

static void try_forms(pair *p)
{
    arena *a = p->a;
    for (int side = 0; side < 2; side++) {
        p->k[side]->iota((int64_t *)(void *)result(p, side), 17, -3, N);
    }
    compare(p, 8 * N);
    for (int side = 0; side < 2; side++) {
        p->k[side]->fill(result(p, side), UINT64_C(0x0123456789abcdef), N);
    }
    compare(p, 8 * N);
    for (int side = 0; side < 2; side++) {
        p->k[side]->widen((uint64_t *)(void *)result(p, side), a->bools[0], N);
    }
    compare(p, 8 * N);
    for (int side = 0; side < 2; side++) {
        p->k[side]->pack(result(p, side), (const uint64_t *)a->ints[0][TINY], N);
        p->k[side]->merge(p->a->results[side], a->bools[1], N);
    }
    compare(p, N);
}

bool pf_kernels_agree(const pf_kernels *one, const pf_kernels *other)
{
    pair p = {{one, other}, pf_mem_aligned(sizeof(arena)), true};
    if (p.a == NULL) {
        return false;
    }
    fill_inputs(p.a);
    try_ops(&p);
    try_ints(&p);
    try_keeping(&p);
    try_mul_add(&p);
    try_choices(&p);
    try_moves(&p);
    try_forms(&p);
    pf_mem_free(p.a);
    return p.same;
}
