"""A failed row goes ways of its function that no row before it went. What stands there is judged by the proof of purity: where it
holds, results beyond the row are kept, so an effect that the proof misses shows in the answer. Each function here has one, by
a road that the proof once did not see: it edits the source, or what the source's functions read, or takes from an iterator."""

from __future__ import annotations

import collections
import functools
import itertools
import operator
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from differential.check import PLAIN, needs_engine

import purefold as pf
from purefold import _engine

pytestmark = needs_engine

AT = 11
SIZES = (300, 3000)
EDIT: list[Callable[[], Any]] = [lambda: None]
Point = collections.namedtuple("Point", "x y")
Methods = collections.namedtuple("Methods", "get copy")


def edit(*_: Any) -> int:
    EDIT[0]()
    return 1


class Noisy:
    """Whatever is done with it edits the source."""

    __hash__ = __index__ = __add__ = __radd__ = __lt__ = __iter__ = edit  # type: ignore[assignment]

    def __repr__(self) -> str:
        return str(edit())

    def __bool__(self) -> bool:
        return bool(edit())

    def __eq__(self, other: object) -> bool:
        return bool(edit())

    def __getattr__(self, name: str) -> int:
        return edit()


class Key:
    """One that finds 1 where it is a key."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        edit()
        return False

    def __repr__(self) -> str:
        return str(edit())


class Descriptor:
    def __get__(self, instance: Any, owner: Any) -> int:
        return edit()


class Described:
    x = Descriptor()


class Meta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return bool(edit())


class Checked(metaclass=Meta):
    pass


class Missing(dict):  # type: ignore[type-arg]
    def __missing__(self, key: Any) -> int:
        return edit()


class Made(tuple):  # type: ignore[type-arg]
    _fields = ("x",)

    def __new__(cls, x: Any) -> Any:
        edit()
        return tuple.__new__(cls, (x,))


class Shown(NamedTuple):
    x: int

    def __repr__(self) -> str:
        return str(edit())


class Quiet(Exception):
    def __str__(self) -> str:
        return str(edit())


MODULE = types.ModuleType("module")
MODULE.__getattr__ = edit  # type: ignore[method-assign]
NOISY, KEY = Noisy(), Key()
PROXY = weakref.proxy(NOISY)
DEQUE = collections.deque([KEY])
FACTORY: Any = collections.defaultdict(edit)
VIEW = types.MappingProxyType(Missing())
KEYS, SET, NESTED = {KEY: 1}, {KEY}, [[NOISY], [NOISY]]
NAMESPACE = types.SimpleNamespace(a=NOISY)
UNION = int | Checked
BY_KEY = operator.itemgetter(KEY)
SORTED = functools.partial(sorted, [1, 2])


def unpacked_in_call(x: Any) -> None:
    (lambda *a: 0)(*NOISY)


def key_by_unpacking(x: Any) -> None:
    [1, 2].sort(**{"key": edit})


def key_by_unpacking_in_partial(x: Any) -> None:
    SORTED(**{"key": edit})


def in_place_on_slice(x: Any) -> None:
    out = [1]
    out[NOISY:] = [1]


def item_deleted(x: Any) -> None:
    out = {1: 1}
    del out[KEY]


def merged_dicts(x: Any) -> None:
    out = {**KEYS}
    out[1] = 1


def in_group(x: Any) -> None:
    try:
        raise Quiet
    except* Quiet as e:
        str(e.exceptions[0])


def called_by_iter(x: Any) -> None:
    next(iter(edit, 5))


FUNCTIONS: list[Callable[[Any], Any]] = [
    lambda x: PROXY + 1,
    lambda x: PROXY.a,
    lambda x: f"{DEQUE}",
    lambda x: 1 in DEQUE,
    lambda x: f"{NAMESPACE}",
    lambda x: VIEW["a"],
    lambda x: "%(a)s" % FACTORY,
    lambda x: "{a}".format_map(FACTORY),
    lambda x: "a".translate(FACTORY),
    lambda x: operator.getitem(FACTORY, 1),
    lambda x: operator.itemgetter(1)(FACTORY),
    lambda x: BY_KEY({1: 1}),
    lambda x: operator.itemgetter(KEY)({1: 1}),
    lambda x: operator.attrgetter("x")(Described),
    lambda x: getattr(Described, "x"),  # noqa: B009
    lambda x: hasattr(MODULE, "x"),
    lambda x: "{0.x}".format(Described),  # noqa: UP032
    lambda x: isinstance(x, UNION),
    lambda x: KEYS[1],
    lambda x: KEYS.get(1),
    lambda x: 1 in KEYS,
    lambda x: dict.get(KEYS, 1),
    lambda x: SET.union([1]),
    lambda x: operator.or_(SET, {1}),
    lambda x: frozenset([NOISY]),
    lambda x: {*[1, KEY]},
    lambda x: NESTED[0][0] + 1,
    lambda x: [[[[[[[[NOISY]]]]]]]] == [[[[[[[[1]]]]]]]],
    lambda x: NESTED[0] < [1],
    lambda x: min([1, 2], key=lambda v: NOISY),
    lambda x: tuple(filter(None, [NOISY])),
    lambda x: tuple(filter(lambda v: NOISY, [1])),
    lambda x: tuple(itertools.compress([1], [NOISY])),
    lambda x: tuple(itertools.takewhile(lambda v: NOISY, [1])),
    lambda x: tuple(itertools.accumulate([NOISY, NOISY])),
    lambda x: tuple(itertools.starmap(lambda *a: 0, [NOISY])),
    lambda x: Point(NOISY, 1).x + 1,
    lambda x: Methods(edit, 1).get(1),
    lambda x: Made(1),
    lambda x: f"{Shown(1)}",
    lambda x: UnicodeDecodeError("a", b"a", NOISY, 1, "x"),
    lambda x: f"{functools.reduce(lambda a, b: b, [1, NESTED])}",
    unpacked_in_call, key_by_unpacking, key_by_unpacking_in_partial, in_place_on_slice, item_deleted, merged_dicts,
    in_group, called_by_iter,
]  # fmt: skip


@pytest.mark.parametrize("act", FUNCTIONS)
@pytest.mark.parametrize("n", SIZES)
def test_effect_on_an_unseen_way(act: Callable[[Any], Any], n: int) -> None:
    def function(x: Any) -> float:
        if isinstance(x, float):
            return 1.0 / x
        try:
            act(x)
        except Exception:
            return 3.0
        return 2.0

    def run(consumer: Any) -> Any:
        xs: list[Any] = [float(i % 97) + 1 for i in range(n)]
        xs[AT] = "q"
        edited = []

        def change() -> None:
            edited.append(1)
            xs[AT + 3 :] = [9.5] * (n - AT - 3)

        EDIT[0] = change
        answer = consumer(map(function, xs))
        EDIT[0] = lambda: None
        FACTORY.clear()
        return answer, len(edited)

    plain = run(PLAIN.sum)
    assert plain[1] > 0
    for threads in (1, 2):
        with pf.config(min_rows=1, threads=threads):
            assert run(pf.sum) == plain


ROWS: list[list[int]] = [[1]]
TAKEN = iter(range(1000))
NEW: Any = tuple.__new__


def default_operand(x: Any, d: Any = NOISY) -> None:
    d + 1


def default_item(x: Any, d: Any = (NOISY,)) -> None:
    d[0] + 1


def added_to_default(x: Any, d: Any = ROWS[0]) -> None:
    d += (1,)


def added_to_item(x: Any) -> None:
    row = ROWS[0]
    row += (1,)


def added_to_field(x: Any) -> None:
    row = Point(ROWS[0], 1).x
    row += (1,)


def field_written(x: Any) -> None:
    Point(ROWS[0], 1).x[0] = x


def field_appended_to(x: Any) -> None:
    list.append(Point(ROWS[0], 1).x, x)


def frame_written(x: Any) -> None:
    (v for v in ()).gi_frame.f_globals["ROWS"] = x  # type: ignore[index]


def default_iterated(x: Any, d: Any = TAKEN) -> None:
    for _ in d:
        break


def slice_from_iterator(x: Any) -> None:
    out = [1]
    out[:] = TAKEN


def kept_exception(x: Any) -> None:
    raise KEPT


def coded(x: Any) -> bytes:
    return "\xe9".encode("ascii", "some-handler")


KEPT = ValueError()


@pytest.mark.parametrize(
    "function",
    [
        default_operand, default_item, added_to_default, added_to_item, added_to_field, field_written, field_appended_to, frame_written, default_iterated,
        slice_from_iterator, kept_exception, coded, lambda x: (lambda *a: 0)(*TAKEN), lambda x: NEW(tuple, TAKEN),
        lambda x: dict([TAKEN]), lambda x: SyntaxError("", TAKEN), lambda x: next(Point(TAKEN, 1).x),
        lambda x: tuple(itertools.starmap(lambda *a: 0, [TAKEN])),
    ],
)  # fmt: skip
def test_effect_is_seen(function: Callable[[Any], Any]) -> None:
    assert not _engine._effects(function)["pure"]


def inverted(x: Any) -> float:
    return 1.0 / x if isinstance(x, float) else float(~x)


def inverted_by_name(x: Any) -> float:
    return 1.0 / x if isinstance(x, float) else float(operator.inv(x))


def truth_of_not_implemented(x: Any) -> float:
    return 1.0 / x if isinstance(x, float) else float(not NotImplemented)


@pytest.mark.parametrize("function", [inverted, inverted_by_name, truth_of_not_implemented])
@pytest.mark.parametrize("n", SIZES)
def test_warning_on_an_unseen_way(function: Callable[[Any], float], n: int) -> None:
    def run(consumer: Any) -> Any:
        xs: list[Any] = [float(i % 97) + 1 for i in range(n)]
        xs[AT] = True

        def show(*_: Any, **__: Any) -> None:
            xs[AT + 3 :] = [9.5] * (n - AT - 3)

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show
            return consumer(map(function, xs))

    plain = run(PLAIN.sum)
    for threads in (1, 2):
        with pf.config(min_rows=1, threads=threads):
            assert run(pf.sum) == plain


def gives_noisy(x: Any) -> Any:
    return x * 2.0 if isinstance(x, float) else NOISY


def gives_pair(x: Any) -> Any:
    return (x, 1.0) if isinstance(x, float) else (NOISY, 1.0)


def adds(x: Any) -> Any:
    return x + 1.0


SOURCE: list[Any] = []


@pytest.mark.parametrize(
    "chain",
    [
        lambda xs: map(adds, map(gives_noisy, xs)),
        lambda xs: (x + 1.0 for x in map(gives_noisy, xs)),
        lambda xs: (x + 1.0 for x in (gives_noisy(x) for x in xs)),
        lambda xs: filter(gives_noisy, xs),
        lambda xs: itertools.takewhile(gives_noisy, xs),
        lambda xs: itertools.starmap(operator.add, map(gives_pair, xs)),
    ],
)
@pytest.mark.parametrize("n", SIZES)
def test_what_an_unseen_way_gives_to_the_next_step(chain: Callable[[Any], Any], n: int) -> None:
    """Each function is pure for itself, as one of numbers; but this one hands the next an object that is none."""

    def run(consumer: Any) -> Any:
        SOURCE[:] = [float(i % 97) + 1 for i in range(n)]
        SOURCE[AT] = "q"

        def change() -> None:
            SOURCE[AT + 3 :] = [9.5] * (n - AT - 3)

        EDIT[0] = change
        answer = consumer(chain(SOURCE))
        EDIT[0] = lambda: None
        return answer, len(SOURCE)

    plain = run(PLAIN.list)
    for threads in (1, 2):
        with pf.config(min_rows=1, threads=threads):
            assert run(pf.list) == plain
