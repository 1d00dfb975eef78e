"""The public face: what the names in ``purefold`` are, beside what they compute."""

from __future__ import annotations

import builtins
import collections.abc
import contextvars
import copy
import functools
import inspect
import json
import operator
import os
import pickle
import subprocess
import sys
import threading
import types
import typing
from pathlib import Path

import pytest
from differential.check import needs_engine

import purefold as pf
from fuzz import reference
from purefold import _engine

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ("sum", "min", "max", "any", "all", "next")
TYPES = ("list", "tuple")


def run_python(*arguments, **environ):
    env = {**os.environ, **environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, timeout=120)


def outcome(call, *arguments, **keywords):
    """A call's result, or its exception's type and message."""
    try:
        return call(*arguments, **keywords)
    except Exception as error:
        return type(error), str(error)


# ---- functions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*FUNCTIONS, "reduce", "fold"])
def test_functions_introduce_themselves(name):
    function = getattr(pf, name)
    original = getattr(builtins, name, None) or getattr(functools, name, None)
    assert function.__name__ == function.__qualname__ == name
    if original is not None:
        assert function.__doc__ == original.__doc__
        assert outcome(inspect.signature, function) == outcome(inspect.signature, original)
    if _engine._unsupported is None:
        assert function.__module__ == "purefold"
        assert repr(function) == f"<built-in function {name}>"
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.copy(function) is function


CALLS = [
    ("sum", ()), ("sum", (1,)), ("sum", ([1], 2, 3)), ("sum", (["a"],)), ("sum", (["a"], "")), ("sum", ([b"a"], b"")),
    ("min", ()), ("min", (1,)), ("min", ([],)), ("min", (2, 1)), ("min", (1, "a")), ("max", ([],)), ("max", (1, 2, 3)),
    ("any", ()), ("any", (1,)), ("any", ([], [])), ("all", (None,)), ("all", ([],)),
    ("next", ()), ("next", ([],)), ("next", (iter([]),)), ("next", (iter([]), 5)), ("next", (iter([7]), 5)),
    ("next", (iter([]), 5, 6)),
    ("list", ()), ("list", (5,)), ("list", ([], [])), ("list", ("ab",)), ("tuple", ()), ("tuple", (5,)),
    ("tuple", ([1, 2],)),
    ("reduce", ()), ("reduce", (operator.add,)), ("reduce", (operator.add, [])), ("reduce", (operator.add, 5)),
    ("reduce", (operator.add, [1, 2])), ("reduce", (operator.add, [], 9)), ("reduce", (operator.add, [1], 9, 9)),
]  # fmt: skip


@pytest.mark.parametrize("name,arguments", CALLS)
def test_odd_calls_answer_as_the_original(name, arguments):
    original = getattr(builtins, name, None) or getattr(functools, name)
    ours = copy.deepcopy(arguments) if any(isinstance(a, collections.abc.Iterator) for a in arguments) else arguments
    assert outcome(getattr(pf, name), *ours) == outcome(original, *arguments)


@pytest.mark.parametrize("name,arguments,keywords", [
    ("sum", ([1],), {"start": 5}), ("sum", ([1],), {"begin": 5}), ("sum", (), {"iterable": [1]}),
    ("min", ([3, 1],), {"key": operator.neg}), ("min", ([],), {"default": None}), ("min", (1, 2), {"default": 0}),
    ("max", ([3, 1],), {"key": None}), ("max", ([1],), {"foo": 1}), ("any", (), {"iterable": [1]}),
    ("list", (), {"iterable": [1]}), ("tuple", ([1],), {"x": 2}),
])  # fmt: skip
def test_keywords_answer_as_the_original(name, arguments, keywords):
    assert outcome(getattr(pf, name), *arguments, **keywords) == outcome(
        getattr(builtins, name), *arguments, **keywords
    )


# ---- fold -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("n", [0, 1, 2, 4095, 4096, 4097, 20_000])
def test_fold_is_the_reference(n):
    xs = [x / 7 for x in range(n)]
    add = operator.add
    assert outcome(pf.fold, add, xs) == outcome(reference.fold, add, xs)
    assert outcome(pf.fold, add, xs, 0.0) == outcome(reference.fold, add, xs, identity=0.0)
    assert pf.fold(lambda a, x: (a[0] + 1, a[1] + x), xs, identity=(0, 0.0),
                   combine=lambda a, b: (a[0] + b[0], a[1] + b[1])) \
        == reference.fold(lambda a, x: (a[0] + 1, a[1] + x), xs, identity=(0, 0.0),
                          combine=lambda a, b: (a[0] + b[0], a[1] + b[1]))  # fmt: skip


@needs_engine
def test_fold_blocks_count_source_rows_not_outputs():
    xs = [x / 7 for x in range(30_000)]
    answer = pf.fold(lambda a, b: a + b, (x * 1.1 for x in xs if x % 3 < 1))
    assert answer == reference.fold(lambda a, b: a + b, xs, lambda rows: (x * 1.1 for x in rows if x % 3 < 1))


def test_fold_with_combine_needs_identity():
    assert outcome(pf.fold, operator.add, [1], combine=max) == outcome(reference.fold, operator.add, [1], combine=max)


# ---- types ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_types_stay_types(name):
    dropin, original = getattr(pf, name), getattr(builtins, name)
    assert isinstance(dropin, type) and inspect.isclass(dropin)
    assert dropin == original and original == dropin and not dropin != original
    assert hash(dropin) == hash(original) and {original: 1}[dropin] == 1 and {dropin: 1}[original] == 1
    assert isinstance(original(), dropin) and not isinstance(5, dropin)
    assert issubclass(original, dropin) and issubclass(dropin, original) and not issubclass(int, dropin)
    assert issubclass(dropin, collections.abc.Sequence)
    assert dropin[int] == original[int] and (dropin | None) == (original | None) == (None | dropin)
    assert typing.Optional[dropin] == typing.Optional[original]  # noqa: UP045
    assert repr(dropin) == repr(original)
    for attribute in ("__name__", "__qualname__", "__doc__", "__mro__", "__bases__", "__dict__"):
        assert getattr(dropin, attribute) == getattr(original, attribute)
    assert dir(dropin) == dir(original) and dropin.index is original.index
    assert outcome(inspect.signature, dropin) == outcome(inspect.signature, original)
    assert pickle.loads(pickle.dumps(dropin)) is dropin and copy.deepcopy(dropin) is dropin


@pytest.mark.parametrize("name", TYPES)
def test_instances_are_true_instances(name):
    dropin, original = getattr(pf, name), getattr(builtins, name)
    for made in (dropin(), dropin("ab"), dropin(x for x in "ab"), type.__call__(dropin, "ab"), dropin.__new__(dropin),
                 functools.partial(dropin, "ab")()):  # fmt: skip
        assert type(made) is original
    assert outcome(setattr, dropin, "x", 1) == outcome(setattr, original, "x", 1)
    assert outcome(getattr, dropin, "nonsense") == outcome(getattr, original, "nonsense")
    assert outcome(lambda: dropin < dropin) == outcome(lambda: original < original)


@pytest.mark.parametrize("name", TYPES)
def test_subclasses_have_the_true_base(name):
    dropin, original = getattr(pf, name), getattr(builtins, name)

    class Derived(dropin):
        pass

    class Both(dropin, typing.Generic[typing.TypeVar("T")]):
        pass

    assert Derived.__bases__ == (original,) and Derived.__mro__ == (Derived, original, object)
    assert type(Derived) is type and dropin not in map(id, Derived.__mro__)
    assert all(base is not dropin or base is original for base in Derived.__mro__)
    assert isinstance(Derived("ab"), dropin) and issubclass(Derived, dropin) and isinstance(Both(), original)
    assert type("Made", (dropin,), {}).__bases__ == (original,)
    assert types.new_class("Made", (dropin,)).__bases__ == (original,)
    assert Derived("ab") == original("ab")


def test_types_match():
    def kind(value):
        match value:
            case pf.list():
                return "list"
            case pf.tuple(inner):
                return "tuple", inner
            case _:
                return "other"

    assert kind([1]) == "list" and kind((1,)) == ("tuple", (1,)) and kind({}) == "other"


def test_types_dispatch():
    @functools.singledispatch
    def kind(value):
        return "other"

    @kind.register(pf.list)
    def _(value):
        return "list"

    class Derived(list):
        pass

    assert [kind([]), kind(Derived()), kind(())] == ["list", "list", "other"]


# ---- the module -----------------------------------------------------------------------------------------------------


def test_star_import_brings_every_public_name():
    names: dict = {}
    exec("from purefold import *", names)
    assert set(pf.__all__) <= set(names) and set(pf.__all__) <= set(dir(pf))
    assert outcome(getattr, pf, "nonsense")[0] is AttributeError


@pytest.mark.timing
def test_import_is_quick():
    """CPU time of purefold's own import, so that what else runs on the machine does not count."""
    code = "import time; a = time.process_time(); import purefold; print(time.process_time() - a)"
    assert min(float(run_python("-c", code).stdout) for _ in range(5)) < 0.030


def test_import_brings_no_heavy_modules():
    done = run_python(
        "-S", "-c", "import sys; before = set(sys.modules); import purefold; print(*sorted(set(sys.modules) - before))"
    )
    heavy = {"typing", "dataclasses", "inspect", "json", "contextlib", "re", "dis", "ast", "numpy", "llvmlite"}
    assert done.returncode == 0 and not heavy & set(done.stdout.split()), done


def test_functools_mirror():
    import purefold.functools as mirror

    assert mirror.reduce is pf.reduce and mirror.partial is functools.partial
    assert mirror.__all__ == functools.__all__


def test_generated_pages_are_up_to_date():
    done = run_python(str(ROOT / "tools" / "gen_docs.py"), "--check")
    assert done.returncode == 0, done.stdout


# ---- config ---------------------------------------------------------------------------------------------------------


def test_config_is_read_and_written():
    assert (pf.config.threads, pf.config.min_rows, pf.config.tier, pf.config.log) == (0, 0, "auto", "")
    with pf.config(threads=3, log="fallback") as config:
        assert config is pf.config and config.threads == 3 and config.log == "fallback"
        with pf.config(threads=1):
            assert config.threads == 1 and config.log == "fallback"
        config.min_rows = 1
        assert config.threads == 3 and config.min_rows == 1
    assert (pf.config.threads, pf.config.min_rows, pf.config.log) == (0, 0, "")
    assert "threads=0" in repr(pf.config)


def test_config_override_may_be_entered_twice():
    override = pf.config(threads=2)
    with override, override:
        assert pf.config.threads == 2
    assert pf.config.threads == 0


def test_config_belongs_to_its_context():
    seen = []
    with pf.config(threads=7):
        contextvars.Context().run(lambda: seen.append(pf.config.threads))
        contextvars.copy_context().run(lambda: seen.append(pf.config.threads))
        thread = threading.Thread(target=contextvars.Context().run, args=(lambda: seen.append(pf.config.threads),))
        thread.start()
        thread.join()
    assert seen == [0, 7, 0]


def test_config_rejects_unknown_names():
    with pytest.raises(AttributeError):
        pf.config.nonsense = 1
    with pytest.raises(AttributeError), pf.config(nonsense=1):
        pass
    assert pf.config.threads == 0


@needs_engine
@pytest.mark.parametrize(
    "settings",
    [
        *({"threads": -1}, {"threads": "two"}, {"threads": True}, {"tier": 7}, {"tier": "x"}),
        *({"log": "all"}, {"disable": ("nonsense",)}, {"min_rows": 2**64}),
    ],
)
def test_config_rejects_nonsense_whole(settings):
    with pytest.raises(ValueError), pf.config(**{"log": "fallback", **settings}):
        pass
    assert pf.config.log == ""


@needs_engine
def test_config_disables_rules_by_name():
    with pf.config(disable="range_stride"):
        assert pf.config.disable == ("range_stride",)
        with pf.config(disable=()):
            assert pf.config.disable == ()
    with pf.config(disable=["all"]):
        assert pf.sum(x for x in range(100)) == 4950 and pf.last().data["native"] is False
    assert pf.config.disable == ()


def test_environment_gives_defaults():
    code = "import purefold as pf; print(pf.config.threads, pf.config.min_rows, pf.config.tier, pf.config.log)"
    environ = {"THREADS": "2", "MIN_ROWS": "1", "TIER": "1", "LOG": "fallback"}
    done = run_python("-c", code, **{"PUREFOLD_" + name: value for name, value in environ.items()})
    assert done.stdout.split() == ["2", "1", "1", "fallback"], done
    thread = "import threading; t = threading.Thread(target=lambda: print(pf.config.threads)); t.start(); t.join()"
    done = run_python("-c", f"import purefold as pf; {thread}", PUREFOLD_THREADS="2")
    assert done.stdout == "2\n"


@needs_engine
def test_nonsense_in_the_environment_is_left_out_with_a_warning():
    done = run_python("-c", "import purefold as pf; print(pf.config.threads)", PUREFOLD_THREADS="many")
    assert done.stdout == "0\n" and "RuntimeWarning: PUREFOLD_THREADS=many is ignored" in done.stderr


# ---- patch ----------------------------------------------------------------------------------------------------------


def a_module():
    module = types.ModuleType("somebody")
    exec("from functools import reduce as fold_up\nadd = sum\nmax = 'mine'\nother = len\n"
         "def total(xs): return sum(xs), list(xs), isinstance([], list), min", module.__dict__)  # fmt: skip
    return module


@needs_engine
def test_patch_puts_dropins_in_and_takes_them_out():
    module = a_module()
    before = dict(module.__dict__)
    with pf.patch(module) as patched:
        assert module.add is pf.sum and module.fold_up is pf.reduce and module.max == "mine" and module.other is len
        assert module.sum is pf.sum and module.__dict__["list"] is pf.list
        assert module.total([1, 2]) == (3, [1, 2], True, pf.min)
        with patched:
            assert module.sum is pf.sum
        assert module.sum is pf.sum
    assert list(module.__dict__) == list(before)
    assert all(module.__dict__[name] is value for name, value in before.items())


@needs_engine
def test_patch_leaves_what_the_module_bound_meanwhile():
    module = a_module()
    with pf.patch(module):
        module.sum = module.add = "rebound"
        del module.list
    assert module.sum == module.add == "rebound" and "list" not in module.__dict__


@needs_engine
def test_patch_is_undone_after_an_exception_and_takes_several():
    one, two = a_module(), a_module()
    with pytest.raises(KeyError), pf.patch(one, two):
        assert two.add is pf.sum
        raise KeyError
    assert one.add is sum and two.add is sum and "sum" not in one.__dict__


def test_patch_takes_modules_only():
    with pytest.raises(TypeError):
        pf.patch(5)


# ---- explain, last, stats, doctor -----------------------------------------------------------------------------------


def test_explain_gives_text_and_json():
    xs = list(range(100))
    chain = (x * 2 for x in xs if x % 3)
    for consumer in (None, pf.sum, sum, "sum", pf.list, functools.reduce):
        text = pf.explain(chain, consumer)
        assert isinstance(text, str) and repr(text) == str(text)
        assert json.loads(pf.explain(chain, consumer, format="json")) == text.data
    assert sum(chain) == sum(x * 2 for x in xs if x % 3), "explain consumed the chain"
    with pytest.raises(ValueError):
        pf.explain(chain, sorted)
    with pytest.raises(ValueError):
        pf.explain(chain, format="yaml")


@needs_engine
def test_explain_says_what_runs_natively():
    xs = list(range(1000))
    data = pf.explain((x * 2 for x in xs if x % 3), pf.sum).data
    assert data["native"] and data["consumer"] == "sum" and data["source"][0]["kind"] == "list"
    assert data["source"][0]["length"] == 1000 and data["steps"] and data["ir"]
    text = str(pf.explain((x * 2 for x in xs if x % 3), pf.sum))
    assert text.startswith("sum: native, tier 1") and "1,000 rows left" in text


@needs_engine
def test_explain_says_why_not():
    def writes(x):
        seen.append(x)
        return x

    seen: list = []
    chain = (writes(x) for x in list(range(100)))
    explanation = pf.explain(chain, pf.sum)
    assert not explanation.data["native"] and explanation.data["reason"]["code"] in str(explanation)
    assert seen == []
    codes = (ROOT / "docs" / "reasons.md").read_text()
    assert f"`{explanation.data['reason']['code']}`" in codes


@needs_engine
def test_explain_analyzes_without_consuming():
    xs = list(range(50_000))
    chain = (x * 2 for x in xs if x % 3)
    data = pf.explain(chain, pf.sum, analyze=True).data
    assert data["rows"]["native"] == 50_000
    assert sum(chain) == sum(x * 2 for x in xs if x % 3), "explain consumed the chain"


@needs_engine
def test_last_and_stats_tell_what_ran():
    pf.stats(reset=True)
    xs = list(range(20_000))
    assert pf.sum(x + 1 for x in xs) == 200010000
    assert pf.last().data["native"] and pf.last().data["consumer"] == "sum"
    pf.sum(str(x).count("1") for x in xs)
    assert not pf.last().data["native"]
    stats = pf.stats(reset=True)
    assert set(stats) == {"calls", "calls_native", "calls_fallback", "rows_native", "rows_replayed", "rows_fallback",
                          "fallback_reasons"}  # fmt: skip
    assert stats["calls"] == 2 and stats["calls_native"] == stats["calls_fallback"] == 1
    assert stats["rows_native"] == 20_000 and sum(stats["fallback_reasons"].values()) == 1
    assert pf.stats()["calls"] == 0


@needs_engine
def test_last_belongs_to_its_thread():
    pf.sum(x for x in range(1000))
    seen = []
    thread = threading.Thread(target=lambda: seen.append(pf.last()))
    thread.start()
    thread.join()
    assert seen == [None] and pf.last() is not None


@needs_engine
def test_log_prints_each_reason_once():
    code = "import purefold as pf\nfor _ in range(3): pf.sum(print(end='') or 1 for x in range(100))"
    done = run_python("-c", code, PUREFOLD_LOG="fallback")
    assert len(done.stderr.splitlines()) == 1 and "purefold" in done.stderr, done


def test_doctor_is_content():
    done = run_python("-m", "purefold", "doctor")
    assert done.returncode == 0 and pf.__version__ in done.stdout and "python" in done.stdout, done
    assert run_python("-m", "purefold", "nonsense").returncode == 2


@needs_engine
@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_that_may_not_make_code_does_without():
    code = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:  # PR_SET_MDWE: from now on no memory is made executable
    sys.exit(3)
import purefold as pf
from array import array
xs = array("d", range(5000))
f = lambda x: x * x * 0.5 + 1.0 if x < 2000.0 else x / 3.0 - 1.0
with pf.config(min_rows=1):
    assert pf.list(map(f, xs)) == list(map(f, xs)) and pf.last().data["native"]
from purefold.doctor import facts
print(dict(facts())["cpu"]["machine code"])
"""
    done = run_python("-c", code)
    if done.returncode == 3:
        pytest.skip("this kernel cannot forbid it")
    assert done.returncode == 0 and done.stdout == "False\n", done


def test_the_text_form_shows_every_part():
    from purefold._explain import _explanation

    report = {
        "consumer": "sum", "native": True, "tier": 1,
        "source": [{"kind": "list", "length": 1, "columns": [{"path": ".late", "kinds": "int or None"}]}],
        "steps": [{"kind": "genexpr", "function": "<genexpr>", "where": "a.py:3", "native": True},
                  {"kind": "map", "native": False, "reason": {"code": "c", "sentence": "s", "hint": "h"}}],
        "functions": ["f at a.py:9"], "rules": ["share"], "ir": "block 0\n  end\n",
        "rows": {"native": 5, "replayed": 1, "fallback": 0}, "workers": 2, "times_ms": {"run": 1.5},
        "bails": [{"op": "add", "where": "a.py:3:4", "rows": 1}],
    }  # fmt: skip
    assert str(_explanation(report, "text")).splitlines() == [
        "sum: native, tier 1",
        "  source    list, 1 row left",
        "              .late                int or None",
        "  steps     genexpr    native   <genexpr> at a.py:3",
        "            map        CPython",
        "              c: s",
        "              hint: h",
        "  functions f at a.py:9",
        "  rules     share",
        "  program   block 0",
        "              end",
        "  ran       5 rows native, 1 replayed in CPython, 0 left to CPython",
        "            2 workers",
        "            run 1.500 ms",
        "  bails     1 at add (a.py:3:4)",
    ]
