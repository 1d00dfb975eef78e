"""CPython's own tests of the names purefold stands in for, run without and with `pf.patch`, and compared test by test.

    python tools/cpython_suites.py [--json] [SUITE...]

Each suite runs twice in a process of its own (they were not written to be run twice in one): plainly, and with the
drop-ins in place of the names its module uses, every call forced to be native where it can (PUREFOLD_MIN_ROWS=1).
A test may fare differently only where it stands in ALLOWED, which says which assertion compares a builtin with itself
by `is` or reads what no replacement can show. The number of native calls is printed: a suite that passes without any proves nothing.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

SUITES = ("test_builtin", "test_iter", "test_itertools", "test_functools", "test_generators", "test_genexps", "test_range", "test_enumerate")
# End of a test's name: the assertion that no replacement of a type can pass.
ALLOWED: dict[str, str] = {
    ".test_setstate_subclasses": "assertIs(type(s[1]), tuple)",
    ".TestBasicOps.test_batched": "assertTrue(all(type(batch) is tuple for batch in batches))",
}


class Outcomes(unittest.TestResult):
    """What became of each test, subtests counted with their test; doctests by name."""

    def __init__(self) -> None:
        super().__init__()
        self.table: dict[str, str] = {}
        self.text: dict[str, str] = {}

    def note(self, test: unittest.TestCase, what: str, text: str = "") -> None:
        key = test.id()
        if self.table.get(key, "ok") == "ok":
            self.table[key] = what
        if text:
            self.text.setdefault(key, text)

    def addSuccess(self, test) -> None:
        self.note(test, "ok")

    def addFailure(self, test, err) -> None:
        super().addFailure(test, err)
        self.note(test, "failure", self._exc_info_to_string(err, test))

    def addError(self, test, err) -> None:
        super().addError(test, err)
        self.note(test, "error", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason) -> None:
        self.note(test, "skipped")

    def addExpectedFailure(self, test, err) -> None:
        self.note(test, "expected failure")

    def addSubTest(self, test, subtest, err) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "failure", self._exc_info_to_string(err, test))


def tests_of(module) -> unittest.TestSuite:
    """The module's tests as regrtest would load them, doctests included."""
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def run_here(suite: str, patched: bool) -> dict:
    """Run one suite in this process; meant for a process that does nothing else."""
    module = importlib.import_module(f"test.{suite}")
    result = Outcomes()
    if not patched:
        tests_of(module).run(result)
        return {"tests": result.table, "text": result.text}
    import purefold as pf

    before = pf.stats()
    with pf.patch(module):  # around the loading too: doctests copy the module's names
        tests_of(module).run(result)
    after = pf.stats()
    counts = {key: after[key] - before[key] for key in ("calls", "calls_native", "rows_native")}
    return {"tests": result.table, "text": result.text, **counts}


def run_apart(suite: str, patched: bool) -> dict:
    env = {**os.environ, "PUREFOLD_MIN_ROWS": "1", "PUREFOLD_THREADS": "2", "PYTHONHASHSEED": "0"}
    command = [sys.executable, __file__, "--here", suite, "--patched" if patched else "--plain"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=900)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("RESULT "):
            return json.loads(line[7:])
    return {"tests": {}, "text": {}, "crash": f"exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"}


def allowed(test: str) -> str | None:
    return next((reason for name, reason in ALLOWED.items() if test.endswith(name)), None)


def compare(suite: str) -> dict:
    """Differences between the two runs of one suite."""
    plain, ours = run_apart(suite, False), run_apart(suite, True)
    differ = {}
    for test in sorted(plain["tests"].keys() | ours["tests"].keys()):
        a, b = plain["tests"].get(test, "missing"), ours["tests"].get(test, "missing")
        if a != b:
            differ[test] = {"plain": a, "patched": b, "allowed": allowed(test), "text": ours["text"].get(test, "")}
    return {
        "suite": suite, "tests": len(plain["tests"]), "different": differ, "crash": ours.get("crash") or plain.get("crash"),
        **{key: ours.get(key, 0) for key in ("calls", "calls_native", "rows_native")},
    }


def available(suite: str) -> bool:
    try:
        return importlib.util.find_spec(f"test.{suite}") is not None
    except ImportError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=SUITES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--patched", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]
        print("\nRESULT " + json.dumps(run_here(args.suites[0], args.patched)))
        return 0
    reports = [compare(suite) for suite in args.suites or SUITES if available(suite)]
    if args.json:
        print(json.dumps(reports))
        return 0
    return show(reports)


def show(reports: list[dict]) -> int:
    bad = 0
    for r in reports:
        print(f"{r['suite']}: {r['tests']} tests, {len(r['different'])} differ, {r['calls_native']} of {r['calls']} calls native")
        if r["crash"]:
            bad += 1
            print("  crashed:", r["crash"])
        for test, d in r["different"].items():
            bad += d["allowed"] is None
            print(f"  {test}: {d['plain']} -> {d['patched']}" + (f" (allowed: {d['allowed']})" if d["allowed"] else "\n    " + d["text"].replace("\n", "\n    ")))
    print(f"cpython suites: {sum(r['tests'] for r in reports)} tests, {bad} not allowed to differ, {sum(r['calls_native'] for r in reports)} native calls")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
