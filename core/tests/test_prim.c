/* prim: threads that signals leave alone, the eventcount that loses no wake-up, CPUs under a quota. */
#include "../base/clock.h"
#include "../base/mem.h"
#include "../prim/cpus.h"
#include "../prim/pages.h"
#include "../prim/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- threads ---- */

typedef struct seen {
    bool int_blocked;
    bool term_blocked;
    bool segv_blocked;
} seen;

static void look_at_mask(void *arg)
{
    seen *out = arg;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    out->int_blocked = sigismember(&mask, SIGINT) == 1;
    out->term_blocked = sigismember(&mask, SIGTERM) == 1;
    out->segv_blocked = sigismember(&mask, SIGSEGV) == 1;
}

static void test_signals_are_blocked(void **state)
{
    (void)state;
    seen out = {false, false, true};
    pf_thread thread;
    assert_int_equal(pf_thread_start(&thread, "a name longer than fifteen bytes", look_at_mask, &out), PF_OK);
    pf_thread_join(&thread);
    assert_true(out.int_blocked);
    assert_true(out.term_blocked);
    assert_false(out.segv_blocked);

    seen own;
    look_at_mask(&own); /* the starter's mask is as it was */
    assert_false(own.int_blocked);
}

static void test_start_without_memory(void **state)
{
    (void)state;
    int64_t before = pf_mem_live();
    seen out;
    pf_thread thread;
    pf_mem_fail_after(0);
    assert_int_equal(pf_thread_start(&thread, "none", look_at_mask, &out), PF_NOMEM);
    pf_mem_fail_after(-1);
    assert_int_equal(pf_mem_live(), before);
}

typedef struct counter {
    pf_mutex mutex;
    int count;
} counter;

static void count_up(void *arg)
{
    counter *c = arg;
    for (int i = 0; i < 10000; i++) {
        pf_mutex_lock(&c->mutex);
        c->count++;
        pf_mutex_unlock(&c->mutex);
    }
}

static void test_mutex(void **state)
{
    (void)state;
    counter c = {.count = 0};
    assert_int_equal(pf_mutex_init(&c.mutex), PF_OK);
    pf_thread threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pf_thread_start(&threads[i], "counter", count_up, &c), PF_OK);
    }
    for (int i = 0; i < 4; i++) {
        pf_thread_join(&threads[i]);
    }
    assert_int_equal(c.count, 40000);
    pf_mutex_destroy(&c.mutex);
}

/* ---- eventcount ---- */

static void test_wait_times_out(void **state)
{
    (void)state;
    pf_eventcount ec;
    assert_int_equal(pf_eventcount_init(&ec), PF_OK);
    uint32_t ticket = pf_eventcount_ticket(&ec);
    int64_t start = pf_clock_ns();
    assert_false(pf_eventcount_wait(&ec, ticket, 20 * 1000000));
    assert_true(pf_clock_ns() - start >= 20 * 1000000);
    assert_false(pf_eventcount_wait(&ec, ticket, 0));
    pf_eventcount_wake(&ec);
    assert_true(pf_eventcount_wait(&ec, ticket, -1)); /* an old ticket does not sleep */
    pf_eventcount_destroy(&ec);
}

/* Two threads hand a ball to and fro. One lost wake-up, and the test stands still until its runner's limit. */
typedef struct table {
    pf_eventcount ec;
    _Atomic int ball;
    int payload; /* guarded by the ball: a plain variable, so ThreadSanitizer checks that wakes order memory */
} table;

enum { ROUNDS = 20000 };

static void play(table *t, int side)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (;;) {
            uint32_t ticket = pf_eventcount_ticket(&t->ec);
            if (atomic_load_explicit(&t->ball, memory_order_acquire) == side) {
                break;
            }
            pf_eventcount_wait(&t->ec, ticket, -1);
        }
        t->payload++;
        atomic_store_explicit(&t->ball, !side, memory_order_release);
        pf_eventcount_wake(&t->ec);
    }
}

static void play_one(void *arg)
{
    play(arg, 1);
}

static void test_no_wake_is_lost(void **state)
{
    (void)state;
    table t = {.payload = 0};
    assert_int_equal(pf_eventcount_init(&t.ec), PF_OK);
    pf_thread other;
    assert_int_equal(pf_thread_start(&other, "player", play_one, &t), PF_OK);
    play(&t, 0);
    pf_thread_join(&other);
    assert_int_equal(t.payload, 2 * ROUNDS);
    pf_eventcount_destroy(&t.ec);
}

typedef struct gate {
    pf_eventcount ec;
    _Atomic int arrived;
    _Atomic int open;
} gate;

static void pass(void *arg)
{
    gate *g = arg;
    atomic_fetch_add(&g->arrived, 1);
    for (;;) {
        uint32_t ticket = pf_eventcount_ticket(&g->ec);
        if (atomic_load(&g->open)) {
            return;
        }
        pf_eventcount_wait(&g->ec, ticket, -1);
    }
}

static void test_wake_wakes_all(void **state)
{
    (void)state;
    gate g = {.arrived = 0};
    assert_int_equal(pf_eventcount_init(&g.ec), PF_OK);
    pf_thread threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pf_thread_start(&threads[i], "gate", pass, &g), PF_OK);
    }
    while (atomic_load(&g.arrived) < 3) {
        pf_thread_pause();
        pf_thread_yield();
    }
    usleep(2000); /* most likely they sleep by now; the test is right either way */
    atomic_store(&g.open, 1);
    pf_eventcount_wake(&g.ec);
    for (int i = 0; i < 3; i++) {
        pf_thread_join(&threads[i]);
    }
    pf_eventcount_destroy(&g.ec);
}

/* ---- CPUs ---- */

static char folder[] = "/tmp/purefold-cgroup-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    const char *path = in_folder(name);
    char *slash = strrchr(path, '/');
    for (char *at = (char *)path + strlen(folder) + 1; at <= slash; at++) {
        if (*at == '/') {
            *at = '\0';
            mkdir(path, 0700);
            *at = '/';
        }
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int quota(void)
{
    return pf_cpus_quota(in_folder("self"), in_folder("mount"));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[256];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static void test_quota_v2(void **state)
{
    (void)state;
    assert_int_equal(quota(), 0); /* no cgroup file at all */
    write_file("self", "0::/outer/inner\n");
    assert_int_equal(quota(), 0);
    write_file("mount/outer/inner/cpu.max", "max 100000\n");
    assert_int_equal(quota(), 0);
    write_file("mount/outer/cpu.max", "250000 100000\n");
    assert_int_equal(quota(), 3);
    write_file("mount/outer/inner/cpu.max", "50000 100000\n");
    assert_int_equal(quota(), 1);
    write_file("mount/outer/inner/cpu.max", "9000000 100000\n"); /* looser than its parent */
    assert_int_equal(quota(), 3);
    write_file("self", "0::/\n");
    assert_int_equal(quota(), 0);
    write_file("mount/cpu.max", "200000 100000\n"); /* a container's own root */
    assert_int_equal(quota(), 2);
    write_file("self", "0::/not/mounted/here\n");
    assert_int_equal(quota(), 2);
    write_file("mount/cpu.max", "nonsense\n");
    assert_int_equal(quota(), 0);
}

static void test_quota_v1(void **state)
{
    (void)state;
    write_file("self", "nonsense\n5:cpuset:/a\n4:cpuacct,cpu:/a\n1:name=systemd:/a\n0::/b\n");
    write_file("mount/cpu/a/cpu.cfs_quota_us", "-1\n");
    write_file("mount/cpu/a/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(), 0);
    write_file("mount/cpu/a/cpu.cfs_quota_us", "400000\n");
    assert_int_equal(quota(), 4);
    write_file("self", "5:cpuset:/a\n");
    assert_int_equal(quota(), 0);
}

static void test_usable(void **state)
{
    (void)state;
    int cpus = pf_cpus_usable();
    assert_true(cpus >= 1 && cpus <= sysconf(_SC_NPROCESSORS_CONF));
}

/* ---- pages ---- */

/* Whatever the block: its bytes stay as they are, and so does what cannot be written. */
static void test_populate(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 5 * page;
    uint8_t *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(block, MAP_FAILED);
    for (size_t i = 0; i < size; i += 7) {
        block[i] = (uint8_t)(i % 251);
    }
    pf_pages_populate(block + 1, 0);
    pf_pages_populate(block + 1, page - 2);
    pf_pages_populate(block + page / 2, 3 * page);
    assert_int_equal(mprotect(block + page, page, PROT_READ), 0);
    pf_pages_populate(block, size);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(block[i], i % 7 == 0 ? (uint8_t)(i % 251) : 0);
    }
    munmap(block, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_are_blocked),
        cmocka_unit_test(test_start_without_memory),
        cmocka_unit_test(test_mutex),
        cmocka_unit_test(test_wait_times_out),
        cmocka_unit_test(test_no_wake_is_lost),
        cmocka_unit_test(test_wake_wakes_all),
        cmocka_unit_test_setup_teardown(test_quota_v2, make_folder, NULL),
        cmocka_unit_test_setup_teardown(test_quota_v1, NULL, remove_folder),
        cmocka_unit_test(test_populate),
        cmocka_unit_test(test_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
