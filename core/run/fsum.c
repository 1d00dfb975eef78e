/* Exact left-to-right float sums, block by block (fsum.h).
 *
 * Let the running sum S be in binade k: 2**k <= S < 2**(k+1), so S is a multiple of u = 2**(k-52). As long as the result
 * stays in that binade, S + x rounds to S + r, where r is x rounded to the nearest multiple of u, unless x lies halfway between
 * two (a tie goes to the even multiple, which depends on S). So a block of values takes S to S + sum(r), whatever S in
 * that binade was, if on the way
 *
 *   - no partial sum reaches 2**(k+1): S + sum of the positive r < 2**(k+1);
 *   - none falls to 2**k: S + sum of the negative r > 2**k. Strictly: below 2**k the grid is finer, and an S + x just below 2**k
 *     would round on that grid although S + r is 2**k exactly.
 *
 * Neumaier's compensation adds, at each step with |S| >= |x|, (S - t) + x with t = S + r: that is x - r = d exactly. If all d
 * and c itself are multiples of one quantum q, and |c| + sum |d| stays within 2**53 q, these additions are exact
 * too, and the block takes c to c + sum(d). |d| < u/2, so 1,024 of them sum to less than 2**9 u.
 *
 * A negative S is the mirror image: negate S and exchange the positive and the negative sum; d and c need no change of
 * sign, since c + sum(d) is exact either way. Everything else (zero, infinities, NaN, extreme binades, ties, values
 * near S) is added one by one. A block of zeros is no exception: r and d are then +0.0 or -0.0, and S, c + 0.0 keep their bits:
 * S is not zero, and c, which starts as 0.0, can never become -0.0. */
#include "fsum.h"

#include <math.h>
#include <string.h>

#include "kernels.h"

/* Far from overflow, and far enough from the subnormals that quanta exist. */
enum { MAX_GUESS = 900, MIN_GUESS = -800 };

static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

int pf_fsum_guess(const pf_fsum *state)
{
    uint64_t bits;
    memcpy(&bits, &state->sum, sizeof(bits));
    int exponent = (int)(bits >> 52 & 2047) - 1023;
    return exponent >= MIN_GUESS && exponent <= MAX_GUESS ? exponent : PF_FSUM_NO_GUESS;
}

void pf_fblock_compute(const double *x, double *copy, int guess, pf_fsum_flavour flavour, pf_fblock *out)
{
    if (guess < MIN_GUESS || guess > MAX_GUESS) {
        if (copy != NULL) {
            memcpy(copy, x, PF_FBLOCK * sizeof(*x));
        }
        *out = (pf_fblock){.guess = PF_FSUM_NO_GUESS};
        return;
    }
    pf_run_kernels()->block(x, copy, guess, flavour == PF_FSUM_NEUMAIER, out);
}

/* ---- one by one: the definition ---- */

static void add_plain(pf_fsum *state, const double *x, int64_t n)
{
    double sum = state->sum;
#ifdef PF_PLANTED_BUG_PAIRWISE_SUM
    for (; n >= 2; n -= 2, x += 2) {
        sum += x[0] + x[1];
    }
#endif
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
    }
    state->sum = sum;
}

static void add_neumaier(pf_fsum *state, const double *x, int64_t n)
{
    double sum = state->sum, c = state->c;
    for (int64_t i = 0; i < n; i++) {
        double t = sum + x[i];
        if (fabs(sum) >= fabs(x[i])) {
            c += (sum - t) + x[i];
        } else {
            c += (x[i] - t) + sum;
        }
        sum = t;
    }
    state->sum = sum;
    state->c = c;
}

static void add_serially(pf_fsum *state, const double *x, int64_t n)
{
    if (state->flavour == PF_FSUM_PLAIN) {
        add_plain(state, x, n);
    } else {
        add_neumaier(state, x, n);
    }
}

/* ---- by blocks ---- */

/* Whether c is a multiple of the quantum and leaves room for a block's errors: within 2**52 quanta, so that the test
 * itself, which may round to half a quantum near the edge, still leaves all sums within 53 bits. */
static bool is_roomy(double c, int guess)
{
    double fine = 1.5 * power_of_two(guess - PF_FSUM_QUANTUM_BITS + 52);
    double room = power_of_two(guess - PF_FSUM_QUANTUM_BITS + 52) - power_of_two(guess - 43);
    return fabs(c) <= room && (c + fine) - fine == c;
}

static bool apply_block(pf_fsum *state, const pf_fblock *block)
{
    if (!pf_fblock_is_sound(block, state->flavour) || block->guess != pf_fsum_guess(state)) {
        return false;
    }
    bool mirrored = state->sum < 0;
    double sum = fabs(state->sum);
    double up = mirrored ? -block->negative : block->positive;
    double down = mirrored ? -block->positive : block->negative;
    double bottom = power_of_two(block->guess), top = power_of_two(block->guess + 1);
    if (!(up < bottom) || !(-down < bottom) || !(sum + up < top) || !(sum + down > bottom)) {
        return false;
    }
    if (state->flavour == PF_FSUM_NEUMAIER) {
        if (!is_roomy(state->c, block->guess)) {
            return false;
        }
        state->c += block->error;
    }
    sum += up + down;
    state->sum = mirrored ? -sum : sum;
    return true;
}

bool pf_fsum_takes(const pf_fsum *state, const pf_fblocks *blocks)
{
    pf_fsum sum = *state;
    for (int64_t b = 0; b < blocks->nblocks; b++) {
        if (!apply_block(&sum, &blocks->blocks[b])) {
            return false;
        }
    }
    return true;
}

bool pf_fsum_is_steady(const pf_fsum *state, double before)
{
    enum { PIECES = 32 }; /* more than wait at any time for a few workers */
    const double ahead = PIECES * fabs(state->sum - before);
    const pf_fsum up = {.sum = fabs(state->sum) + ahead}, down = {.sum = fabs(state->sum) - ahead};
    const int guess = pf_fsum_guess(state);
    return guess != PF_FSUM_NO_GUESS && pf_fsum_guess(&up) == guess && pf_fsum_guess(&down) == guess && down.sum > 0;
}

/* A block nobody computed for the right binade: worth computing now, unless blocks of this kind keep failing. */
static bool compute_and_apply(pf_fsum *state, const double *x, int *failures, int64_t number)
{
    int guess = pf_fsum_guess(state);
    if (guess == PF_FSUM_NO_GUESS || (*failures >= 2 && number % 8 != 0)) {
        return false;
    }
    pf_fblock block;
    pf_fblock_compute(x, NULL, guess, state->flavour, &block);
    bool applied = apply_block(state, &block);
    *failures = applied ? 0 : *failures + 1;
    return applied;
}

static void add(pf_fsum *state, const double *x, int64_t n, const pf_fblocks *blocks)
{
    int failures = 0;
    int64_t nblocks = n / PF_FBLOCK;
    for (int64_t b = 0; b < nblocks; b++, x += PF_FBLOCK) {
        const pf_fblock *block = blocks != NULL && b < blocks->nblocks ? &blocks->blocks[b] : NULL;
        bool fits = block != NULL && block->guess == pf_fsum_guess(state);
        if (fits ? apply_block(state, block) : compute_and_apply(state, x, &failures, b)) {
            continue;
        }
        add_serially(state, x, PF_FBLOCK);
    }
    add_serially(state, x, n % PF_FBLOCK);
}

void pf_fsum_apply(pf_fsum *state, const double *x, int64_t n, const pf_fblocks *blocks, int *guess)
{
#ifdef PF_PLANTED_BUG_FLOAT_SUM_SPLIT
    pf_fsum part = {.flavour = state->flavour};
    add(&part, x, n, blocks);
    state->sum += part.sum;
    state->c += part.c;
#else
    add(state, x, n, blocks);
#endif
    if (guess != NULL) {
        *guess = pf_fsum_guess(state);
    }
}

double pf_fsum_result(const pf_fsum *state)
{
    /* CPython leaves the compensation out where it would turn an infinity into NaN, or lose the sign of -0.0. */
    if (state->flavour == PF_FSUM_NEUMAIER && state->c != 0.0 && isfinite(state->c)) {
        return state->sum + state->c;
    }
    return state->sum;
}
