"""CPython's own tests of the consumers pass under `pf.patch` as they pass without (tools/cpython_suites.py)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from differential.check import needs_engine

spec = importlib.util.spec_from_file_location("cpython_suites", Path(__file__).resolve().parent.parent / "tools" / "cpython_suites.py")
suites = importlib.util.module_from_spec(spec)
spec.loader.exec_module(suites)

NATIVE_CALLS_EXPECTED = {"test_builtin", "test_genexps", "test_itertools", "test_iter", "test_range"}


@needs_engine
@pytest.mark.parametrize("suite", suites.SUITES)
def test_suite_under_patch(suite):
    if not suites.available(suite):
        pytest.skip("this Python came without its test package")
    report = suites.compare(suite)
    print(f"{suite}: {report['tests']} tests, {report['calls_native']} of {report['calls']} calls native")
    assert not report["crash"], report["crash"]
    assert report["tests"] > 0
    wrong = {test: d for test, d in report["different"].items() if not d["allowed"]}
    assert not wrong, "\n".join(f"{t}: {d['plain']} -> {d['patched']}\n{d['text']}" for t, d in wrong.items())
    assert report["calls_native"] > 0 or suite not in NATIVE_CALLS_EXPECTED


def test_what_is_allowed_to_differ_compares_by_identity():
    """Each exception is listed with the assertion that no replacement can pass."""
    for test, reason in suites.ALLOWED.items():
        assert " is " in reason or "assertIs" in reason, test
