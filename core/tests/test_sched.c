/* Workers: every number is claimed once, withdrawing leaves nobody inside, and a pool can be stopped, forked and restarted
 * at any time. Meant to be run under ThreadSanitizer too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/mem.h"
#include "../prim/thread.h"
#include "../sched/claims.h"
#include "../sched/sched.h"

enum { NUMBERS = 20000 };

/* Work that counts, without atomics, how often each number was claimed: a number claimed twice is a race as well. */
typedef struct tally {
    pf_job job;
    pf_claims claims;
    int *times;
    _Atomic int entered;
    int rest; /* numbers that make the worker sleep a little */
} tally;

static void count_numbers(void *ctx)
{
    tally *t = ctx;
    atomic_fetch_add(&t->entered, 1);
    for (int64_t i; !pf_sched_is_stopping() && (i = pf_claims_take(&t->claims)) >= 0;) {
        t->times[i]++;
        if (t->rest != 0 && i % t->rest == 0) {
            usleep(1);
        }
    }
}

static tally *tally_new(int rest)
{
    tally *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    t->job.work = count_numbers;
    t->job.ctx = t;
    t->times = calloc(NUMBERS, sizeof(int));
    t->rest = rest;
    return t;
}

static void tally_free(tally *t)
{
    free(t->times);
    free(t);
}

/* The owner's part: works until all is claimed, then everything has been counted once. */
static void finish(tally *t)
{
    for (int64_t i; (i = pf_claims_take(&t->claims)) >= 0;) {
        t->times[i]++;
    }
    pf_sched_withdraw(&t->job);
    for (int i = 0; i < NUMBERS; i++) {
        assert_int_equal(t->times[i], 1);
    }
}

static void each_number_once(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        tally *t = tally_new(500);
        pf_claims_open(&t->claims, NUMBERS);
        pf_sched_offer(&t->job, 3);
        finish(t);
        tally_free(t);
    }
    assert_int_equal(pf_sched_workers(), 3);
}

/* The owner opens a few numbers at a time and offers anew each time, as a full ring of slots does. */
static void work_in_portions(void **state)
{
    (void)state;
    tally *t = tally_new(0);
    for (int64_t end = 0; end <= NUMBERS; end += 100) {
        pf_claims_open(&t->claims, end);
        pf_sched_offer(&t->job, 2);
        if (end % 300 == 0) {
            pf_sched_withdraw(&t->job);
        }
    }
    finish(t);
    tally_free(t);
}

static void withdrawn_means_gone(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        tally *t = tally_new(50);
        pf_claims_open(&t->claims, NUMBERS);
        pf_sched_offer(&t->job, 2);
        if (round % 2) {
            usleep((useconds_t)(round % 50));
        }
        pf_claims_close(&t->claims);
        pf_sched_withdraw(&t->job);
        int64_t claimed = atomic_load(&t->claims.next);
        for (int64_t i = 0; i < NUMBERS; i++) {
            assert_int_equal(t->times[i], i < claimed ? 1 : 0);
        }
        tally_free(t); /* a worker that still touched it would be seen by the sanitizers */
    }
}

static void withdrawing_nothing(void **state)
{
    (void)state;
    tally *t = tally_new(0);
    pf_sched_withdraw(&t->job);
    pf_sched_withdraw(&t->job);
    assert_int_equal(atomic_load(&t->entered), 0);
    tally_free(t);
}

static void *own_job(void *arg)
{
    (void)arg;
    for (int round = 0; round < 10; round++) {
        tally *t = tally_new(2000);
        pf_claims_open(&t->claims, NUMBERS);
        pf_sched_offer(&t->job, 2);
        finish(t);
        tally_free(t);
    }
    return NULL;
}

static void several_owners(void **state)
{
    (void)state;
    pthread_t owners[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&owners[i], NULL, own_job, NULL), 0);
    }
    for (int i = 0; i < 10; i++) {
        usleep(300);
        pf_sched_quiesce(); /* in the middle of it all */
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(owners[i], NULL);
    }
}

/* A job whose work offers a job of its own. */
static void nest(void *ctx)
{
    (void)ctx;
    own_job(NULL);
}

static void nested_jobs(void **state)
{
    (void)state;
    pf_job *outer = calloc(1, sizeof(*outer));
    outer->work = nest;
    pf_sched_offer(outer, 2);
    nest(NULL);
    pf_sched_withdraw(outer);
    free(outer);
}

static void stops_and_restarts(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        tally *t = tally_new(10);
        pf_claims_open(&t->claims, NUMBERS);
        pf_sched_offer(&t->job, 2);
        assert_int_equal(pf_sched_workers(), 2);
        pf_sched_quiesce();
        assert_int_equal(pf_sched_workers(), 0);
        finish(t); /* the owner can always finish alone */
        tally_free(t);
    }
}

static void works_in_the_child(void **state)
{
    (void)state;
    each_number_once(state);
    pf_sched_quiesce();
    pid_t child = fork();
    if (child == 0) {
        pf_sched_after_fork();
        tally *t = tally_new(100);
        pf_claims_open(&t->claims, NUMBERS);
        pf_sched_offer(&t->job, 2);
        finish(t);
        _exit(pf_sched_workers() == 2 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    each_number_once(state);
}

static void no_threads_to_be_had(void **state)
{
    (void)state;
    pf_sched_quiesce();
    tally *t = tally_new(0);
    pf_claims_open(&t->claims, NUMBERS);
    pf_mem_fail_after(0); /* pf_thread_start allocates */
    pf_sched_offer(&t->job, 1);
    pf_mem_fail_after(-1);
    assert_int_equal(pf_sched_workers(), 0);
    finish(t);
    tally_free(t);
}

static int clean_up(void **state)
{
    (void)state;
    pf_sched_quiesce();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_number_once),   cmocka_unit_test(work_in_portions),   cmocka_unit_test(withdrawn_means_gone),
        cmocka_unit_test(withdrawing_nothing), cmocka_unit_test(several_owners),    cmocka_unit_test(nested_jobs),
        cmocka_unit_test(stops_and_restarts), cmocka_unit_test(works_in_the_child), cmocka_unit_test(no_threads_to_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
