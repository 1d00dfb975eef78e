/* The C that purefold is measured against: what a C programmer would write, for gcc -O3 -march=native
 * -fno-math-errno -fopenmp.
 *
 * It has it easier than purefold in two ways, on purpose: integers wrap silently at 64 bits (the inputs are chosen
 * so that none does), and float sums are taken in any order (reduction), where CPython's, and so purefold's, go left
 * to right. `threads` is the number of OpenMP threads. */
#include <math.h>
#include <stdint.h>

/* sum(x * 2 for x in range(n) if x % 2 == 0) */
int64_t p1(int64_t n, int threads)
{
    int64_t sum = 0;
#pragma omp parallel for reduction(+ : sum) num_threads(threads)
    for (int64_t x = 0; x < n; x++) {
        if (x % 2 == 0) {
            sum += x * 2;
        }
    }
    return sum;
}

/* sum(x * x for x in xs if x % 3 == 0) */
int64_t p2(const int64_t *xs, int64_t n, int threads)
{
    int64_t sum = 0;
#pragma omp parallel for reduction(+ : sum) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        if (xs[i] % 3 == 0) {
            sum += xs[i] * xs[i];
        }
    }
    return sum;
}

/* sum(sqrt(x * x + 1.0) for x in xs) */
double p3(const double *xs, int64_t n, int threads)
{
    double sum = 0;
#pragma omp parallel for simd reduction(+ : sum) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        sum += sqrt(xs[i] * xs[i] + 1.0);
    }
    return sum;
}

/* sum(map(piecewise, xs)) */
double p4a(const double *xs, int64_t n, int threads)
{
    double sum = 0;
#pragma omp parallel for simd reduction(+ : sum) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        double x = xs[i];
        double low = x * x * 0.5 + 1.0, middle = x * x * x - x, high = 2.0 * x - 1.0;
        sum += x < 0.25 ? low : x < 0.75 ? middle : high;
    }
    return sum;
}

/* ---- inputs: the same numbers everywhere, made fast ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* Ints from -bound to bound: with bound = 10**6 no kernel above overflows 64 bits on 5 * 10**7 of them. */
void fill_ints(int64_t *out, int64_t n, int64_t bound, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = (int64_t)(next_random(&seed) % (uint64_t)(2 * bound + 1)) - bound;
    }
}

/* Floats in [0, 1). */
void fill_floats(double *out, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = (double)(next_random(&seed) >> 11) * 0x1p-53;
    }
}
