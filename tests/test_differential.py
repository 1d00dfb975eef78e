"""Generated programs, run with the builtins and with purefold: a small budget here, `make fuzz` for the large one.

The first test runs seeds, as the fuzzer does. The second lets Hypothesis make the choices, so that it can shrink a
failing program by itself. Both are deterministic: a red run is red again.
"""

from __future__ import annotations

import pytest
from differential.check import needs_engine, same_program

import purefold as pf
from fuzz import oracle
from fuzz.generate import generate
from fuzz.generators import GENERATORS

try:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st
except ImportError:
    given = None

pytestmark = needs_engine
BATCHES, PER_BATCH = 20, 60


@pytest.mark.fuzz
@pytest.mark.parametrize("batch", range(BATCHES))
def test_seeded_programs(batch):
    for number in range(PER_BATCH):
        same_program(generate(f"test:{batch}:{number}"))


if given:

    @pytest.mark.fuzz
    @settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def test_programs_chosen_by_hypothesis(rnd):
        same_program(generate("hypothesis", rnd))


@pytest.mark.parametrize("name", GENERATORS)
def test_the_generators_are_deterministic(name):
    assert [GENERATORS[name](f"d:{i}").text for i in range(50)] == [GENERATORS[name](f"d:{i}").text for i in range(50)]


def test_the_generator_covers_what_is_understood():
    text = "\n".join(generate(f"cover:{i}").text for i in range(3000))
    for word in ("range(", "array(", "bytearray", "memoryview", "reversed", "namedtuple", "NamedTuple", "__slots__", "zip(", "strict=True", "enumerate", "islice", "takewhile", "chain(", "starmap", "filter(None",
                 "partial", "operator.", "itemgetter", "attrgetter", ":=", " is not None", "isinstance", "divmod", "**", ">>", "<<", "math.sqrt", "math.gcd", "sum(", "reduce(", "fold(", "min(", "any(", "all(", "next(",
                 "default=", "key=", "raise ", "def main", "return inner", "Decimal", "LOG.append", "elif", " for k in "):  # fmt: skip
        assert word in text, word


class Wrong:
    """purefold with one consumer replaced, to see that the oracle sees."""

    def __init__(self, **wrong):
        self.__dict__.update(wrong)

    def __getattr__(self, name):
        return getattr(pf, name)


def wrapping_sum(iterable, /, start=0):
    total = sum(iterable, start)
    return (total + 2**63) % 2**64 - 2**63 if type(total) is int else total


def greedy_any(iterable):
    it = iter(iterable)
    found = any(it)
    if found:
        next(it, None)
    return found


KEPT = []


def keeping_list(iterable=()):
    KEPT.append(list(iterable))
    return KEPT[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sum": wrapping_sum},
        {"any": greedy_any},
        {"list": keeping_list},
        {"list": lambda it: [x + 0.0 if type(x) is float else x for x in it]},
        {"list": lambda it: [tuple(list(x)) if type(x) is tuple else x for x in it]},
        {"min": lambda it, **k: min(reversed(list(it)), **k)},
        {"next": lambda it, *d: (next(it, *d), next(it, None))[0]},
        {"reduce": lambda f, it, *i: (lambda xs: f(xs[0], xs[0]) if len(xs) == 1 else __import__("functools").reduce(f, xs, *i))(list(it))},
    ],
    ids=["sum wraps", "any takes one more", "list leaks", "minus zero lost", "tuples copied", "min keeps the last", "next takes two", "reduce of one"],
)
def test_the_oracle_sees_a_wrong_consumer(wrong):
    ours = Wrong(**wrong)
    name = next(iter(wrong))
    for number in range(4000):
        program = generate(f"wrong:{number}")
        if f"OUT({name}(" in program.text and any(what != "exception" for what, _, _ in oracle.judge(program, ours)):
            return
    pytest.fail("not seen")
