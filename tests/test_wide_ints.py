"""Ints beyond 64 bits: products under % // >> and comparisons, sums of products, and hashes under a mask of up to 64 bits.

Each program is held to CPython, and to running natively without a single row handed back, where it says so.
"""

from __future__ import annotations

import builtins
import itertools
import math
import random
from array import array
from types import SimpleNamespace
from typing import Any

import pytest
from differential.check import needs_engine

import purefold as pf

pytestmark = needs_engine

PLAIN = SimpleNamespace(
    sum=builtins.sum, list=builtins.list, tuple=builtins.tuple, any=builtins.any, reduce=__import__("functools").reduce
)
N = 100_000
M64 = 0xFFFFFFFFFFFFFFFF
FNV_PRIME = 0x100000001B3
EDGES = sorted(
    {s * (2**b + d) for b in (0, 1, 31, 32, 33, 53, 61, 62) for d in (-1, 0, 1) for s in (1, -1)}
    | {2**63 - 1, 2**63 - 2, -(2**63), 1 - 2**63}
)
PAIRS = list(itertools.product(EDGES, EDGES))

_random = random.Random(20)
WORDS = [_random.getrandbits(64) - 2**63 for _ in range(20_000)]
ARRAY = array("q", WORDS)


def splitmix64(i):
    z = (i * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return z ^ (z >> 31)


def splitmix64_of_globals(i):
    z = (i + 0x9E3779B97F4A7C15) & M64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & M64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & M64
    return z ^ (z >> 31)


def fnv1a(x):
    h = 0xCBF29CE484222325
    h = ((h ^ (x & 0xFF)) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    h = ((h ^ (x >> 8 & 0xFF)) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    h = ((h ^ (x >> 16 & 0xFF)) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return h


def xorshift64(x):
    x ^= (x << 13) & M64
    x ^= x >> 7
    x ^= (x << 17) & M64
    return x


def knuth(x):
    return (x * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF


def knuth_modulo(x):
    return (6364136223846793005 * x + 1442695040888963407) % 2**64


def murmur_mix(k):
    k ^= k >> 33
    k = k * 0xFF51AFD7ED558CCD & M64
    k ^= k >> 33
    k = k * 0xC4CEB9FE1A85EC53 & M64
    k ^= k >> 33
    return k


def minstd(x):
    return (48271 * x) % (2**31 - 1)


def ansi_c(x):
    return (1103515245 * x + 12345) % 2**31 >> 16


def java(x):
    return ((x ^ 0x5DEECE66D) * 0x5DEECE66D + 0xB) & (1 << 48) - 1


HASHES = [splitmix64, splitmix64_of_globals, fnv1a, xorshift64, knuth, knuth_modulo, murmur_mix]
BRING_BACK = {
    "sum": lambda p, f, xs: p.sum(f(x) for x in xs),
    "list": lambda p, f, xs: p.list(f(x) for x in xs),
    "pairs": lambda p, f, xs: p.list((x, f(x), f(x) ^ 1, f(x)) for x in xs),
    "shift": lambda p, f, xs: p.list(f(x) >> 33 for x in xs),
    "bucket": lambda p, f, xs: p.list(f(x) % 1009 for x in xs),
    "mask": lambda p, f, xs: p.list(f(x) & 0xFFFF for x in xs),
    "divide": lambda p, f, xs: p.list(f(x) // 1_000_003 for x in xs),
    "unit": lambda p, f, xs: p.list((f(x) >> 11) / 9007199254740992 for x in xs),
    "filter": lambda p, f, xs: p.sum(x for x in xs if f(x) % 3 == 1),
    "compare": lambda p, f, xs: p.sum(1 for x in xs if f(x) < f(x + 1)),
}


def check(work, native: bool = True) -> Any:
    expected = work(PLAIN)
    with pf.config(min_rows=1):
        found = work(pf)
    assert type(found) is type(expected)
    assert found == expected
    if native:
        said = pf.last()
        assert said is not None and said.data["native"], said
        rows = said.data["rows"]
        assert rows.get("replayed", 0) + rows.get("fallback", 0) == 0, (rows, said.data.get("bails"))
    return found


@pytest.mark.parametrize("back", BRING_BACK)
@pytest.mark.parametrize("hash_of", HASHES, ids=lambda f: f.__name__)
def test_hashes_of_a_range(hash_of, back):
    check(lambda p: BRING_BACK[back](p, hash_of, range(N if back in ("sum", "shift") else N // 8)))


@pytest.mark.parametrize("back", BRING_BACK)
@pytest.mark.parametrize("hash_of", HASHES, ids=lambda f: f.__name__)
def test_hashes_of_words(hash_of, back):
    """Negative ones are infinitely long to the left: xorshift does not mask what it shifts right, and bails where that shows."""
    shifts = hash_of in (xorshift64, murmur_mix)
    check(lambda p: BRING_BACK[back](p, hash_of, ARRAY), native=not shifts)
    if shifts:
        positive = [x >> 1 & 2**62 - 1 for x in WORDS]
        check(lambda p: BRING_BACK[back](p, hash_of, positive))


@pytest.mark.parametrize("f", [minstd, ansi_c, java], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "source", [range(N), range(-N, N, 7), ARRAY, WORDS], ids=["range", "negative", "array", "list"]
)
def test_generators_under_a_small_modulus(f, source):
    check(lambda p: p.list(f(x) for x in source))


MODULI = [1, 2, 3, 7, 64, 1000, 2**31, 10**9 + 7, 2**61 - 1, 2**62, 2**63 - 1]


@pytest.mark.parametrize("m", [*MODULI, *(-m for m in MODULI), -(2**63)])
def test_products_of_edges(m):
    check(lambda p: p.list(a * b % m for a, b in PAIRS))
    check(lambda p: p.list((a * b + a) % m for a, b in PAIRS))
    check(lambda p: p.list((a * b - b) % m for a, b in PAIRS))
    check(lambda p: p.sum(1 for a, b in PAIRS if a * b % m == 1))
    check(lambda p: p.sum(a * b // m for a, b in PAIRS))
    check(lambda p: p.list(a * b // m for a, b in PAIRS), native=False)


def test_a_divisor_in_a_column():
    triples = [(a, b, c) for a, b in PAIRS[::7] for c in EDGES[::3] if c != 0]
    check(lambda p: p.list(a * b % c for a, b, c in triples))
    check(lambda p: p.sum(a * b // c for a, b, c in triples))
    with pytest.raises(ZeroDivisionError):
        pf.list(a * b % (a - a) for a, b in PAIRS)


@pytest.mark.parametrize("k", [0, 1, 31, 62, 63, 64, 65, 100, 126, 127, 128, 1000])
def test_shifts_of_products(k):
    check(lambda p: p.list(a * b >> k for a, b in PAIRS), native=k >= 64)
    check(lambda p: p.sum(a * b >> k for a, b in PAIRS))
    check(lambda p: p.list((a << k) & 0xFFFF for a, b in PAIRS), native=k < 64)
    check(lambda p: p.list((a << k) % 1009 for a, b in PAIRS), native=k < 64)


@pytest.mark.parametrize(
    "mask", [0, 1, 0xFF, 2**31 - 1, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 0xAAAAAAAAAAAAAAAA]
)
def test_masks(mask):
    check(lambda p: p.sum((a * b * a * b - ~b) & mask for a, b in PAIRS))
    check(lambda p: p.list((-(a * b) ^ (a << 3) | b) & mask & 1023 for a, b in PAIRS))
    check(lambda p: p.list(((a + b) & mask) >> 1 for a, b in PAIRS))
    check(lambda p: p.list((a * b) & mask for a, b in PAIRS))


def test_masks_from_outside():
    def masked(x, mask=0xFFFFFFFF):
        return (x * x * x + 7) & mask

    outer = 2**64 - 1
    check(lambda p: p.list(masked(x) for x in ARRAY))
    check(lambda p: p.sum((x * x) & outer for x in ARRAY))
    check(lambda p: p.sum((lambda x, m=M64: x * 31 & m)(x) for x in ARRAY), native=False)


def test_a_mask_that_is_bound_anew():
    global M64
    whole = M64
    try:
        for mask in (whole, 2**63, 2**64 - 2, 255, 2**40, -1, -256, 0, whole):
            M64 = mask
            check(lambda p: p.sum(x * 31 & M64 for x in ARRAY), native=mask >= 0)
    finally:
        M64 = whole


def test_comparisons_of_products():
    check(lambda p: p.sum(1 for a, b in PAIRS if a * b < a * a))
    check(lambda p: p.sum(1 for a, b in PAIRS if a * b == b * a))
    check(lambda p: p.sum(1 for a, b in PAIRS if a * a - b * b <= 2**62))
    check(lambda p: p.sum(1 for a, b in PAIRS if a * a + b * b <= 2**62), native=False)
    check(lambda p: p.sum(1 for a, b in PAIRS if abs(a * b) > 2**63 - 1))
    check(lambda p: p.sum(1 for a, b in PAIRS if a * b & M64 == 9223372036854775808))
    check(lambda p: p.list(bool(a * b) for a, b in PAIRS))


def test_sums_of_products():
    check(lambda p: p.sum(x * x for x in ARRAY))
    check(lambda p: p.sum(x**2 for x in range(2**62, 2**62 + N)))
    check(lambda p: p.sum(x**3 for x in range(2**40, 2**40 + N)))
    check(lambda p: p.sum(x**4 for x in range(2**31, 2**31 + N)))
    check(lambda p: p.sum(a * b for a, b in PAIRS))
    check(lambda p: p.sum(a * b + b for a, b in PAIRS))
    check(lambda p: p.sum(a * b - a * a for a, b in PAIRS))
    check(lambda p: p.sum(-(a * b) for a, b in PAIRS))
    check(lambda p: p.sum(a * b for a, b in PAIRS if a * b % 3 == 1))
    check(lambda p: p.reduce(lambda s, x: s + x, (x * x for x in ARRAY)), native=False)  # its first row is an object
    check(lambda p: p.sum(i * j for i in range(2**40, 2**40 + 300) for j in range(2**40, 2**40 + 300)))


def test_sums_at_the_ends_of_128_bits():
    least = [-(2**63)] * 5000
    most = [2**63 - 1] * 5000
    check(lambda p: p.sum(x * x for x in least))
    check(lambda p: p.sum(x * y for x, y in zip(least, most)))
    check(lambda p: p.sum(x * x + x * x - x for x in least), native=False)
    check(lambda p: p.sum(x * x * x for x in least), native=False)
    check(lambda p: p.sum(x * x * 2 for x in most + least), native=False)


@pytest.mark.parametrize("cut", [0, 1, 1500, 2999])
def test_rows_that_fail_among_wide_ones(cut):
    rows: list[Any] = [2**62 + i for i in range(3000)]
    for odd in (2**70, 0.5, True, 2**63):
        rows[cut] = odd
        check(lambda p: p.sum(x * x for x in rows), native=False)
        check(lambda p: p.sum(x * x if x != 3 else 0 for x in rows), native=False)
    rows[cut] = "x"
    for consumer in (builtins.sum, pf.sum):
        with pytest.raises(TypeError):
            consumer(x * x for x in rows)


def test_a_sum_that_left_the_machine_word_adds_floats_plainly():
    """Once beyond a C long, sum() adds each float by itself for good, also when the ints come back into range."""
    for big in (2**62, 2**63 - 1, 2**40):
        for n in (3, 1200):
            rows: list[Any] = [*[big] * n, *[-big] * n, *[0.1, 1e16, 1.0, -1e16] * 400]
            check(lambda p: p.sum(x * abs(x) if x != 0.1 else x for x in rows), native=False)


def test_unsigned_results():
    """Up to 2**64 - 1 a list takes them; beyond, and below -2**63, rows are CPython's."""
    near = [2**63 - 2, 2**63 - 1, 3, -(2**63), 1 - 2**63, -1, 0] * 300
    check(lambda p: p.list(x & M64 for x in near))
    check(lambda p: p.list((x & M64, x, x & M64) for x in near))
    check(lambda p: p.tuple(x * x & M64 for x in near))
    check(lambda p: p.list((x * x >> 63) + 2**63 - 1 for x in near), native=False)
    check(lambda p: p.list(x + x for x in near), native=False)
    check(lambda p: p.list(x + 9223372036854775807 for x in near if x > 0))
    check(lambda p: p.list(x + 9223372036854775808 for x in near if x >= 0))
    check(lambda p: p.list(x + 9223372036854775808 if x >= 0 else None for x in near), native=False)
    check(lambda p: p.list(i * j & M64 for i in near[:40] for j in range(x_of(i))), native=False)
    check(lambda p: p.list(i * j & M64 for i in range(2**40, 2**40 + 50) for j in range(2**40, 2**40 + 50)))
    mixed: list[Any] = [*near, 0.5, None, True, 2**70, *near]
    check(lambda p: p.list(x & M64 if type(x) is int else x for x in mixed), native=False)


def x_of(i):
    return i % 5


def test_narrow_uses_bail():
    check(lambda p: p.list((a * b, a * b % 7) for a, b in PAIRS), native=False)
    check(lambda p: p.list(a * b / 3 for a, b in PAIRS), native=False)
    check(lambda p: p.list(a * b if a > b else a - b for a, b in PAIRS), native=False)
    check(lambda p: p.list(float(a * b) for a, b in PAIRS), native=False)
    check(lambda p: p.list((x + 3) ** ((x + 3) % 4) for x in range(2000)))
    check(lambda p: p.list((x * x + 1) / (x * x & x * x) for x in range(1, 2000)))
    check(lambda p: p.list(math.gcd(x * x, x * x % 12) + math.isqrt(x * x) for x in range(2000)))
    check(lambda p: p.list(a + 0xFFFFFFFFFFFFFFFF for a, b in PAIRS), native=False)
    check(lambda p: p.list(a ^ M64 for a, b in PAIRS), native=False)
    check(lambda p: p.list(a / 0xFFFFFFFFFFFFFFFF for a, b in PAIRS), native=False)
    check(lambda p: p.list(1.5 * a + 0xFFFFFFFFFFFFFFFF for a, b in PAIRS), native=False)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_on_many_threads(threads):
    with pf.config(threads=threads):
        check(lambda p: p.sum(splitmix64(x) * x for x in range(300_000)))
        check(lambda p: p.list(x * x % 1_000_003 for x in range(2**40, 2**40 + 300_000)))
