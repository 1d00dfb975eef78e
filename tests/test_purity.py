"""`@pf.pure`: what is proven at definition and what at first use, and the places that PurityError names."""

from __future__ import annotations

import functools
import gc
import sys

import pytest

from purefold import _engine

SUPPORTED = sys.version_info[:2] in {(3, 11), (3, 12), (3, 13)}
pytestmark = pytest.mark.skipif(not SUPPORTED, reason="no decoder table for this version")


@pytest.fixture
def purity():
    return pytest.importorskip("purefold.purity")


def test_decorator_returns_the_very_function(purity):
    def f(x):
        return x + 1

    assert purity.pure(f) is f


def test_decorator_raises_with_place_and_reason(purity):
    def f(xs):
        xs.append(1)

    with pytest.raises(purity.PurityError) as info:
        purity.pure(f)
    text = str(info.value)
    line = f.__code__.co_firstlineno
    assert f"<locals>.f ({__file__}:{line})" in text
    assert f"{__file__}:{line + 1}:9" in text
    assert "mutates-argument" in text
    assert "'xs'" in text
    assert issubclass(purity.PurityError, ValueError)


def test_decorator_wants_a_function(purity):
    with pytest.raises(TypeError):
        purity.pure(3)


def test_proof_waits_for_names(purity):
    namespace = {"pure": purity.pure}
    exec("@pure\ndef even(n): return n == 0 or odd(n - 1)\n@pure\ndef odd(n): return n != 0 and even(n - 1)", namespace)
    assert _engine._prove_pending(namespace["even"]) is True
    assert _engine._prove_pending(namespace["even"]) is False
    assert _engine._prove_pending(abs) is False


def test_late_proof_names_definition_and_use(purity):
    namespace = {"pure": purity.pure}
    exec(compile("@pure\ndef f(n): return g(n)\n", "late.py", "exec"), namespace)
    exec(compile("def g(n): return print(n)\n", "helpers.py", "exec"), namespace)
    with pytest.raises(purity.PurityError) as info:
        _engine._prove_pending(namespace["f"])
    text = str(info.value)
    assert "f (late.py:1)" in text
    assert "helpers.py:1:18" in text
    assert f"used at {__file__}:" in text


def test_name_that_never_comes_fails_at_use(purity):
    namespace = {"pure": purity.pure}
    exec("@pure\ndef f(n): return nowhere(n)", namespace)
    with pytest.raises(purity.PurityError, match="unresolved.*'nowhere'"):
        _engine._prove_pending(namespace["f"])


def test_pending_functions_may_die(purity):
    namespace = {"pure": purity.pure}
    exec("@pure\ndef f(n): return nowhere(n)", namespace)
    del namespace["f"]
    gc.collect()
    assert functools.reduce(lambda a, b: a, [1]) == 1
