/* How many nanoseconds a row costs in tier 1, on one thread with the columns in the first-level cache, beside plain C
 * over the same 1,024 lanes. Not a test: run it by hand (bench_interp [rounds]). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../interp/program.h"

typedef enum { IOTA, INTS, FLOATS, MAYBE } source;

typedef struct workload {
    const char *name, *text;
    source from;
    double (*plain)(const void *, int);
} workload;

static double plain_p1(const void *data, int n)
{
    int64_t sum = 0, start = *(const int64_t *)data;
    for (int64_t x = start; x < start + n; x++) {
        sum += x % 2 == 0 ? x * 2 : 0;
    }
    return (double)sum;
}

static double plain_p2(const void *data, int n)
{
    const int64_t *xs = data;
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        if (xs[i] % 3 == 0) {
            sum += xs[i] * xs[i];
        }
    }
    return (double)sum;
}

static double plain_p3(const void *data, int n)
{
    const double *xs = data;
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += sqrt(xs[i] * xs[i] + 1.0);
    }
    return sum;
}

static double plain_p4(const void *data, int n)
{
    const double *xs = data;
    double sum = 0;
    for (int i = 0; i < n; i++) {
        double x = xs[i];
        sum += x < 0.25 ? x * x * 0.5 + 1.0 : x < 0.75 ? x * x * x - x : 2.0 * x - 1.0;
    }
    return sum;
}

/* Beside ints that may be None: the C has no None, and a branch instead of a kind. */
static double plain_positive(const void *data, int n)
{
    const int64_t *xs = data;
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        if (xs[i] % 33 != 0 && xs[i] > 500000) {
            sum += xs[i];
        }
    }
    return (double)sum;
}

static const workload workloads[] = {
    {"P1  x*2 if x%2==0, range",
     "column 0: i64 from source 0\noutput 0: i64\n"
     "b0:\n  %1:i64 = column 0\n  %2 = mod.i64 %1, 2\n  %3 = eq.i64 %2, 0\n  branch %3, b1, b2\n"
     "b1:\n  %4 = mul.i64 %1, 2\n  yield %4\nb2:\n  end\n",
     IOTA, plain_p1},
    {"P2  x*x if x%3==0, int64",
     "column 0: i64 from source 0\noutput 0: i64\n"
     "b0:\n  %1:i64 = column 0\n  %2 = mod.i64 %1, 3\n  %3 = eq.i64 %2, 0\n  branch %3, b1, b2\n"
     "b1:\n  %4 = mul.i64 %1, %1\n  yield %4\nb2:\n  end\n",
     INTS, plain_p2},
    {"P3  sqrt(x*x+1.0), float64",
     "column 0: f64 from source 0\noutput 0: f64\n"
     "b0:\n  %1:f64 = column 0\n  %2 = mul.f64 %1, %1\n  %3 = add.f64 %2, 1.0\n  %4 = sqrt %3\n  yield %4\n",
     FLOATS, plain_p3},
    {"P4a piecewise, branches",
     "column 0: f64 from source 0\noutput 0: f64\n"
     "b0:\n  %1:f64 = column 0\n  %2 = lt.f64 %1, 0.25\n  branch %2, b1, b2\n"
     "b1:\n  %3 = mul.f64 %1, %1\n  %4 = mul.f64 %3, 0.5\n  %5 = add.f64 %4, 1.0\n  jump b6(%5)\n"
     "b2:\n  %6 = lt.f64 %1, 0.75\n  branch %6, b3, b4\n"
     "b3:\n  %7 = mul.f64 %1, %1\n  %8 = mul.f64 %7, %1\n  %9 = sub.f64 %8, %1\n  jump b5(%9)\n"
     "b4:\n  %10 = mul.f64 2.0, %1\n  %11 = sub.f64 %10, 1.0\n  jump b5(%11)\n"
     "b5(%12: f64):\n  jump b6(%12)\n"
     "b6(%13: f64):\n  yield %13\n",
     FLOATS, plain_p4},
    {"P4a piecewise, selects",
     "column 0: f64 from source 0\noutput 0: f64\n"
     "b0:\n  %1:f64 = column 0\n  %2 = lt.f64 %1, 0.25\n  %3 = mul.f64 %1, %1\n  %4 = mul.f64 %3, 0.5\n"
     "  %5 = add.f64 %4, 1.0\n  %6 = lt.f64 %1, 0.75\n  %7 = mul.f64 %3, %1\n  %8 = sub.f64 %7, %1\n"
     "  %9 = mul.f64 2.0, %1\n  %10 = sub.f64 %9, 1.0\n  %11 = select %6, %8, %10\n  %12 = select %2, %5, %11\n"
     "  yield %12\n",
     FLOATS, plain_p4},
    {"    x if not None and x>500000",
     "column 0: none|i64 from source 0\noutput 0: i64\n"
     "b0:\n  %1:none|i64 = column 0\n  %2 = is_kind %1, none\n  branch %2, b3, b1\n"
     "b1:\n  %3:i64 = narrow %1\n  %4 = gt.i64 %3, 500000\n  branch %4, b2, b3\n"
     "b2:\n  yield %3\nb3:\n  end\n",
     MAYBE, plain_positive},
    {"    x*x+1 checked, wild int64",
     "column 0: i64 from source 0\noutput 0: i64\n"
     "b0:\n  %1:i64 = column 0\n  %2 = sub.i64 0, %1\n  %3 = add.i64 %2, %1\n  %4 = mul.i64 %1, %1\n  %5 = add.i64 %4, "
     "%3\n"
     "  yield %5\n",
     INTS, plain_p2},
};

/* What the int sink does with an output, so that both sides deliver the same. */
static double add_up(const pf_vec *v, int n)
{
    if (v->seen == PF_K_F64) {
        const double *x = v->data;
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += x[i];
        }
        return sum;
    }
    const int64_t *x = v->data;
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i];
    }
    return (double)sum;
}

static void fill(pf_frame *frame, source from)
{
    pf_vec *c = &frame->columns[0];
    int64_t *ints = c->data;
    double *floats = c->data;
    for (int i = 0; i < PF_LANES; i++) {
        if (from == FLOATS) {
            floats[i] = (double)(rand() % 1000003) / 1000003.0;
        } else {
            ints[i] = from == IOTA ? i : rand() % 1000003;
        }
    }
    c->iota = from == IOTA;
    c->start = 0;
    c->step = 1;
    c->lo = 0;
    c->hi = from == IOTA ? PF_LANES : 1000003;
    for (int i = 0; from == MAYBE && i < PF_LANES; i++) {
        c->kind = pf_frame_kind_memory(frame, 0);
        c->kind[i] = ints[i] % 33 == 0 ? PF_K_NONE : PF_K_I64;
    }
    frame->n = PF_LANES;
}

static double best_of(double best, int64_t ns, int rounds)
{
    double each = (double)ns / rounds / PF_LANES;
    return each < best ? each : best;
}

static void measure(const workload *w, int rounds, bool show)
{
    char error[200];
    pf_fn *fn;
    pf_program *program;
    pf_frame *frame;
    if (pf_ir_parse(w->text, &fn, error, sizeof error) != PF_OK || pf_interp_compile(fn, PF_OUTPUTS_I64, &program) != PF_OK ||
        pf_frame_new(program, &frame) != PF_OK) {
        fprintf(stderr, "%s: %s\n", w->name, error);
        exit(1);
    }
    if (show) {
        static char text[4096];
        pf_interp_print(program, text, sizeof text);
        puts(text);
    }
    fill(frame, w->from);
    double rows = 1e9, rows_and_sum = 1e9, plain = 1e9;
    volatile double keep = 0;
    for (int repeat = 0; repeat < 60; repeat++) {
        int64_t t0 = pf_clock_ns();
        for (int i = 0; i < rounds; i++) {
            pf_interp_run(program, frame);
        }
        int64_t t1 = pf_clock_ns();
        for (int i = 0; i < rounds; i++) {
            pf_interp_run(program, frame);
            keep = keep + add_up(&frame->outputs[0], frame->nout);
        }
        int64_t t2 = pf_clock_ns();
        for (int i = 0; i < rounds; i++) {
            keep = keep + w->plain(frame->columns[0].data, PF_LANES);
        }
        int64_t t3 = pf_clock_ns();
        rows = best_of(rows, t1 - t0, rounds);
        rows_and_sum = best_of(rows_and_sum, t2 - t1, rounds);
        plain = best_of(plain, t3 - t2, rounds);
    }
    printf("%-32s %6.3f ns a row, %6.3f with the sum; C %6.3f\n", w->name, rows, rows_and_sum, plain);
    pf_frame_free(frame);
    pf_interp_free(program);
    pf_ir_free(fn);
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 200;
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        measure(&workloads[i], rounds, argc > 2);
    }
    return 0;
}
