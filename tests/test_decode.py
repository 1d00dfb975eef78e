"""The decoder: the same listing on every version, and a stack that is consistent everywhere.

`decode_golden.txt` holds the canonical listing of every function of `decode_corpus.py`; it is one file for all
versions. After an intended change write it anew with ``python tests/test_decode.py``.
"""

from __future__ import annotations

import dis
import importlib.util
import opcode
import random
import re
import sys
import types
from pathlib import Path

import pytest

if __name__ == "__main__":  # run as a script, tests/ is on the path already
    import decode_corpus
else:
    sys.path.insert(0, str(Path(__file__).parent))
    import decode_corpus

from purefold import _engine

HERE = Path(__file__).parent
EXT = HERE.parent / "ext"
GOLDEN = HERE / "decode_golden.txt"
VERSION = sys.version_info[:2]
SUPPORTED = VERSION in {(3, 11), (3, 12), (3, 13)}

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="no decoder table for this version")

BACK, HANDLER, LEADER = 1, 2, 4


def codes(code):
    """A code object and all code objects in its constants."""
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from codes(const)


def listing(function):
    """Canonical text of a function and the functions in it, handlers included."""
    lines = []
    for code in codes(function.__code__):
        lines.append(f"  <{code.co_name}>")
        for number, row in enumerate(_engine._decode(code)):
            flags, text = row[6], row[9]
            mark = ("h" if flags & HANDLER else " ") + ("<" if flags & BACK else " ")
            lines.append(f"  {number:3}{mark} {text}")
    return "\n".join(lines)


def render():
    return "\n".join(f"{f.__name__}\n{listing(f)}\n" for f in decode_corpus.corpus())


def golden():
    blocks = {}
    for block in GOLDEN.read_text().split("\n\n"):
        name, _, body = block.partition("\n")
        blocks[name] = body.rstrip("\n")
    return blocks


@pytest.mark.parametrize("function", decode_corpus.corpus(), ids=lambda f: f.__name__)
def test_listing_is_the_same_on_every_version(function):
    assert listing(function) == golden()[function.__name__]


def test_corpus_is_large_and_golden_has_no_leftovers():
    names = [f.__name__ for f in decode_corpus.corpus()]
    assert len(names) >= 40
    assert sorted(set(names)) == sorted(names) == sorted(golden())


# The stack. An independent reading of bytecode.def, walked over everything the standard library offers.

ROW = re.compile(r"^BC\((\w+), ([^,]+), ([^,]+), (\w+)\)", re.M)
EFFECTS = {
    name: (pops.replace("pf_bits4(arg)", "bin(arg).count('1')"), pushes.replace("pf_bits4(arg)", "bin(arg).count('1')"))
    for name, pops, pushes, _ in ROW.findall((EXT / "bytecode.def").read_text())
}
EFFECTS = {name: tuple(compile(e, name, "eval") for e in pair) for name, pair in EFFECTS.items()}
ENDS = {"JUMP", "RETURN_VALUE", "RAISE", "RERAISE", "UNKNOWN"}

MODULES = """abc argparse ast asyncio.base_events asyncio.streams asyncio.tasks base64 bisect calendar collections
    configparser contextlib copy csv dataclasses datetime decimal difflib dis email.message enum fractions functools
    heapq html.parser http.client inspect ipaddress json.decoder json.encoder logging logging.handlers pathlib pickle
    pprint queue random re shlex statistics string subprocess tarfile textwrap threading tokenize traceback typing
    unittest.mock urllib.parse uuid xml.etree.ElementTree zipfile""".split()


def module_code(name):
    spec = importlib.util.find_spec(name)
    return spec.loader.get_code(name)


def effect(row, jump):
    scope = {"arg": row[2], "arg2": row[3], "sub": row[1]}
    pops, pushes = (eval(e, {}, scope) for e in EFFECTS[row[0]])
    if jump and row[0] == "FOR_ITER":
        pushes = 0
    if jump and row[0] == "SEND":
        pushes = 1
    return pops, pushes


def check_stack(code):
    rows, info = _engine._decode(code), _engine._decode_info(code)
    assert rows, code
    arrivals = {0: 0}
    for number, row in enumerate(rows):
        op, _, _, _, target, handler, flags, depth, _, text = row
        where = (code.co_filename, code.co_name, number, text)
        assert depth >= 0, where
        pops, pushes = effect(row, False)
        assert pops <= depth, where
        assert (target >= 0) == (op in {"JUMP", "POP_JUMP_IF_FALSE", "POP_JUMP_IF_NONE", "FOR_ITER", "SEND"}), where
        after = depth - pops + pushes
        assert after <= info["max_depth"], where
        if target >= 0:
            jump_pops, jump_pushes = effect(row, True)
            assert rows[target][7] == depth - jump_pops + jump_pushes, where
            assert rows[target][6] & LEADER, where
            assert bool(flags & BACK) == (target <= number), where
            arrivals[target] = 1
        if op not in ENDS:
            assert rows[number + 1][7] == after, where
            arrivals[number + 1] = 1
        if handler >= 0:
            to, cut, lasti = info["handlers"][handler]
            assert cut <= depth, where
            assert rows[to][7] == cut + lasti + 1, where
            assert rows[to][6] & (LEADER | HANDLER) == LEADER | HANDLER, where
            arrivals[to] = 1
    assert len(arrivals) == len(rows), "something is laid out that nothing reaches"
    return rows


@pytest.mark.parametrize("name", MODULES)
def test_stack_is_consistent_and_nothing_is_unknown(name):
    allowed_back = {"JUMP", "POP_JUMP_IF_FALSE", "POP_JUMP_IF_NONE", "FOR_ITER", "SEND"}
    for code in codes(module_code(name)):
        rows = check_stack(code)
        assert not _engine._decode_info(code)["has_unknown"], (name, code.co_name)
        assert all(row[0] in allowed_back for row in rows if row[6] & BACK)


def test_every_line_of_the_body_has_a_position():
    def sample(a):
        b = a + 1
        return [b, a]

    lines = [p[0] - sample.__code__.co_firstlineno for p in _engine._decode_info(sample)["positions"]]
    assert lines == [1, 1, 1, 1, 2, 2, 2, 2]
    assert _engine._decode_info(sample)["positions"][2][1:] == (12, lines and sample.__code__.co_firstlineno + 1, 17)


# The tables against the running version's own description of itself.


def table():
    text = (EXT / f"decode_{VERSION[0]}{VERSION[1]}.def").read_text()
    return {name: int(caches) for name, caches in re.findall(r"^RAW\((\w+), (\d+),", text, re.M)}


def test_table_knows_every_ordinary_opcode():
    internal = {"INTERPRETER_EXIT", "RESERVED", "EXIT_INIT_CHECK", "ENTER_EXECUTOR", "CACHE"}
    names = {n for n, number in dis.opmap.items() if number < 256 and not n.startswith("INSTRUMENTED_")}
    assert names - internal == set(table())


def test_table_counts_caches_as_the_interpreter_does():
    entries = opcode._inline_cache_entries
    if isinstance(entries, dict):
        expected = {name: entries.get(name, 0) for name in table()}
    else:
        expected = {name: entries[dis.opmap[name]] for name in table()}
    assert table() == expected


# Bytecode nobody's compiler wrote.


def mangled(code, replacement):
    return code.replace(co_code=replacement)


# Opcodes the interpreter itself looks behind when it hands out co_code, and falls over without the data they promise.
FORBIDDEN = {dis.opmap.get("ENTER_EXECUTOR", 0)} | set(range(236, 256))


def test_unknown_opcode_is_carried_not_refused():
    def sample(a):
        return a

    position = next(i.offset for i in dis.get_instructions(sample) if i.opname == "RETURN_VALUE")
    raw = bytearray(sample.__code__.co_code)
    known = {dis.opmap[name] for name in table()}
    for number in set(dis.opmap.values()) - known - FORBIDDEN - set(range(256, 999)) | {0}:
        raw[position] = number
        row = _engine._decode(mangled(sample.__code__, bytes(raw)))[-1]
        assert row[0] == "UNKNOWN"
        assert row[2] == number
        assert _engine._decode_info(mangled(sample.__code__, bytes(raw)))["has_unknown"]


@pytest.mark.parametrize("seed", range(40))
def test_random_bytes_never_crash(seed):
    rng = random.Random(seed)
    plain = [dis.opmap[name] for name, caches in table().items() if caches == 0]  # others may reach past the end
    base = decode_corpus.corpus()[seed % len(decode_corpus.corpus())].__code__
    for _ in range(50):
        raw = bytearray(base.co_code)
        for _ in range(1 + seed % 5):
            position = rng.randrange(0, len(raw))
            raw[position] = rng.choice(plain) if position % 2 == 0 else rng.randrange(0, 256)
        rows = _engine._decode(mangled(base, bytes(raw)))
        assert rows
        assert all(row[7] >= 0 for row in rows)


def test_nothing_is_audited():
    events = []
    armed = []

    def hook(event, args):
        if armed:
            events.append(event)

    sys.addaudithook(hook)
    armed.append(True)
    for function in decode_corpus.corpus():
        _engine._decode_info(function)
    armed.clear()
    assert events == []


def test_a_suspended_generator_resumes_behind_its_yield():
    def sample():
        yield 1
        yield 2

    generator = sample()
    rows = _engine._decode(sample)
    yields = [n for n, row in enumerate(rows) if row[0] == "YIELD_VALUE"]
    for n in yields:
        next(generator)
        assert _engine._decode_resume(sample, generator.gi_frame.f_lasti) == n + 1
    assert _engine._decode_resume(sample, 0) == -1


def test_running_out_of_memory_is_a_memory_error_and_leaks_nothing():
    before = _engine._mem_live()
    failures = 0
    for n in range(100):
        _engine._mem_fail_after(n)
        try:
            _engine._decode(decode_corpus.f_try)
        except MemoryError:
            failures += 1
        finally:
            _engine._mem_fail_after(-1)
        assert _engine._mem_live() == before
    assert 10 < failures < 100


def test_kinds_of_code():
    def generator():
        yield 1

    async def coroutine():
        return 1

    genexpr = (x for x in ())
    flags = [
        tuple(_engine._decode_info(c)[k] for k in ("is_generator", "is_genexpr", "is_async"))
        for c in (generator, coroutine, genexpr.gi_code, test_kinds_of_code)
    ]
    assert flags == [(True, False, False), (False, False, True), (True, True, False), (False, False, False)]


if __name__ == "__main__":
    GOLDEN.write_text(render())
