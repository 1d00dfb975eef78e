"""Runs inside of runs, beside each other, and while others pull the rug: handlers, finalizers, threads, processes.

Whatever comes in between, it may use purefold itself: the outer run goes on with the right answer.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from array import array

import pytest
from differential.check import needs_engine
from test_exactness_memory import Meddler, check_script, repeat

import purefold as pf

pytestmark = needs_engine


@pytest.fixture(autouse=True)
def eager():
    with pf.config(threads=2, min_rows=1):
        yield


class Loud(int):
    """An int whose product is computed by a run of its own."""

    def __mul__(self, other):
        return pf.sum(x * 1 for x in range(int(self)))


def test_a_replayed_row_runs_a_chain_of_its_own():
    xs = [Loud(i) if i % 100 == 7 else i for i in range(2000)]
    assert pf.list(x * 2 for x in xs) == [x * 2 for x in xs]
    assert pf.sum(x * 2 for x in xs) == sum(x * 2 for x in xs)


def test_functions_of_reduce_and_key_run_chains_of_their_own():
    def f(a, b):
        return (a + pf.sum(x * b for x in range(30))) % 1009

    def plain(a, b):
        return (a + sum(x * b for x in range(30))) % 1009

    def deep(n):
        return n if n < 1 else pf.max(x + deep(n - 1) for x in range(20))

    assert pf.reduce(f, range(300)) == __import__("functools").reduce(plain, range(300))
    assert pf.min(range(100), key=lambda x: pf.sum(y ^ x for y in range(40))) == min(
        range(100), key=lambda x: sum(y ^ x for y in range(40))
    )
    assert deep(2) == 38


@pytest.mark.parametrize("drop", [False, True])
def test_collections_that_run_chains(drop):
    """Nested runs of the very same plan, with the cache emptied in between."""
    done = []

    def work():
        xs = [2**70 if i % 50 == 3 else i for i in range(1000)]
        return pf.list((x, x) for x in xs)

    def callback(phase, info):
        if phase == "start" and len(done) < 40:
            done.append(0)
            if drop:
                pf._engine._forget_plans()
            done[-1] = len(work())

    want = work()
    threshold = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        assert work() == want
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(callback)
    assert done and set(done) == {1000}


@pytest.mark.timing
def test_handlers_run_chains():
    seen = []

    def handler(*_):
        seen.append(pf.sum(x * 3 for x in range(5000) if x % 2))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            assert pf.sum(x * 3 for x in range(500_000) if x % 2) == 187500000000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen and set(seen) == {18750000}


def test_another_thread_releases_memoryviews():
    data = array("q", range(50_000))
    views = [memoryview(data)]

    def action():
        old = views[0]
        views[0] = memoryview(data)
        try:
            old.release()
        except BufferError:
            pass

    def work():
        try:
            assert pf.sum(x * 2 for x in views[0]) == 2499950000
        except (ValueError, TypeError) as error:
            assert "released" in str(error)

    with Meddler(action) as other:
        repeat(0.8, work)
    assert other.times and not other.errors


def test_threads_share_chains_of_every_kind():
    """Twelve kinds of pulls on four shared iterators: no crash, no error that CPython has not, no item twice."""
    for _ in range(12):
        n = 20_000
        xs = list(range(n))
        it = iter(xs)
        taken, errors = [], []
        chains = [map(int, it), filter(None, it), zip(it), enumerate(it)]

        def take(chain, taken=taken, errors=errors):
            try:
                for _ in range(50):
                    taken.extend(
                        x if type(x) is int else x[-1] for x in pf.list(a for a in (next(chain, -1), next(chain, -1)))
                    )
                taken.extend(x if type(x) is int else x[-1] for x in pf.list(a for a in chain))
            except Exception as error:
                errors.append(error)

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        threads = [threading.Thread(target=take, args=(chains[i % 4],)) for i in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        sys.setswitchinterval(before)
        assert not errors
        items = [x for x in taken if x != -1]
        assert len(items) == len(set(items)) and set(items) <= set(range(n))
        assert len(items) >= n - 5  # 0 is dropped by filter


def test_many_threads_with_plans_of_their_own_beside_an_emptier():
    wrong = []

    def work(k):
        space = {"pf": pf}
        with pf.config(threads=2, min_rows=1):
            for i in range(30):
                exec(f"def go(xs): return pf.list((x, x + {k * 100 + i}) for x in xs if x != {i})", space)
                if space["go"](range(400)) != [(x, x + k * 100 + i) for x in range(400) if x != i]:
                    wrong.append((k, i))

    with Meddler(pf._engine._forget_plans):
        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
    assert not wrong


def test_multiprocessing_spawn():
    check_script("""
        import multiprocessing, os, subprocess, sys, tempfile, textwrap
        code = '''
        import multiprocessing, warnings
        warnings.simplefilter("error")
        import purefold as pf
        def work(n): return pf.sum(x * n for x in range(30_000))
        if __name__ == "__main__":
            work(1)
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                assert pool.map(work, range(4)) == [work(n) for n in range(4)]
        '''
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "spawned.py")
            with open(path, "w") as file:
                file.write(textwrap.dedent(code))
            done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=100)
            assert done.returncode == 0, done.stderr
    """, timeout=120)  # fmt: skip


def test_fork_inside_of_a_run():
    """The child goes on with the run it was in the middle of."""
    check_script("""
        import os, sys, warnings
        warnings.simplefilter("error")
        import purefold as pf
        children = []
        class Forks(int):
            def __mul__(self, other):
                children.append(os.fork())
                return 0
        xs = list(range(30_000))
        expected = sum(x * 2 for x in xs) - 2 * 15_000
        xs[15_000] = Forks(15_000)
        assert pf.sum(x * 2 for x in xs) == expected
        assert pf.sum(x * 3 for x in range(100_000)) == 14999850000
        if children[-1] == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 7
    """)


def test_subprocesses_while_a_call_runs():
    check_script("""
        import subprocess, sys, threading
        import purefold as pf
        stop = threading.Event()
        def work():
            while not stop.is_set():
                assert pf.sum(x * 3 for x in range(200_000) if x % 2) == 30000000000
        thread = threading.Thread(target=work)
        thread.start()
        for i in range(5):
            assert subprocess.run([sys.executable, "-c", "pass"], preexec_fn=(lambda: None) if i % 2 else None).returncode == 0
        stop.set()
        thread.join()
    """, timeout=120)  # fmt: skip


def test_exit_with_many_daemon_threads_in_runs():
    check_script("""
        import threading, time
        import purefold as pf
        xs = [str(i) for i in range(50_000)]
        def sums():
            while True: pf.sum(x * 3 % 7 for x in range(300_000))
        def lists():
            while True: pf.list(x for x in xs if x != "7")
        def reduces():
            while True: pf.reduce(lambda a, b: b, (x for x in xs if x != "7"))
        for work in (sums, lists, reduces) * 2:
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
    """)


def test_exceptions_of_handlers_leave_a_usable_engine():
    check_script("""
        import signal, time
        import purefold as pf
        class Stop(Exception): pass
        def handler(*_): raise Stop
        signal.signal(signal.SIGALRM, handler)
        xs = [str(i) for i in range(3000)] * 30
        calls = [lambda: pf.list(x for x in xs if x != "7"), lambda: pf.reduce(lambda a, b: b, (x for x in xs)),
                 lambda: pf.min(len(x) for x in xs), lambda: pf.list((x, 2**70) for x in xs), lambda: pf.sum(len(x) + 2**62 for x in xs)]
        want = [call() for call in calls]
        stopped = 0
        for i in range(150):
            call = calls[i % 5]
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0003 * (i % 17 + 1))
                for _ in range(50):
                    call()
            except Stop:
                stopped += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert stopped > 100, stopped
        assert [call() for call in calls] == want
    """)
