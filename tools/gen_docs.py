#!/usr/bin/env python3
"""Writes docs/ops.md, docs/rules.md and docs/reasons.md from the tables they describe: core/ir/ops.def,
core/rewrite/rules.def and ext/reasons.def.

    tools/gen_docs.py            write them
    tools/gen_docs.py --check    exit 1 when one of them is out of date

A table file is C: blocks of comment, and lines NAME(a, "b", ...) that may end in a comment of their own.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
HEAD = "<!-- Written by tools/gen_docs.py from {source}. Edit that file, then run the tool. -->\n\n"


class Entry(NamedTuple):
    """One line of a table: the macro's arguments (str literals joined and unquoted) and the comment behind it."""

    macro: str
    cells: list[str]
    note: str


STRING = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(
    rf"/\*(?P<comment>.*?)\*/|(?P<macro>\b[A-Z]+)\((?P<body>(?:[^()\"]|{STRING})*)\)",
    re.DOTALL,
)
CELL = re.compile(r'\s*((?:"(?:[^"\\]|\\.)*"\s*)+|[^,"]*)\s*(?:,|$)', re.DOTALL)


def cells_of(body: str) -> list[str]:
    out = []
    for match in CELL.finditer(body):
        if match.start() == len(body):
            break
        text = match.group(1).strip()
        parts = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        out.append("".join(parts).replace('\\"', '"').replace("\\\\", "\\") if parts else text)
    return out


def entries(path: Path, *macros: str) -> Iterator[str | Entry]:
    """Headings and entries, in order; a heading is a SECTION("...") or a comment on lines of its own, but the first."""
    text = path.read_text(encoding="utf-8")
    found = [
        m for m in TOKEN.finditer(text) if m.group("comment") is not None or m.group("macro") in (*macros, "SECTION")
    ]
    skip = -1
    for i, match in enumerate(found[1:], start=1):
        if i == skip:
            continue
        if match.group("macro") == "SECTION":
            yield cells_of(match.group("body"))[0]
            continue
        if match.group("macro") is None:
            yield " ".join(line.strip(" *") for line in match.group("comment").splitlines()).strip()
            continue
        note = ""
        behind = found[i + 1] if i + 1 < len(found) else None
        if behind and behind.group("macro") is None and "\n" not in text[match.end() : behind.start()]:
            note, skip = " ".join(behind.group("comment").split()), i + 1
        yield Entry(match.group("macro"), cells_of(match.group("body")), note)


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def words(text: str) -> str:
    """'OVERFLOW | ZERO' as 'overflow, zero'; a 0 as nothing."""
    return "" if text == "0" else ", ".join(part.strip().lower() for part in text.split("|"))


OPS_INTRO = """# The ops

Everything the engine can compute on a row. One table, `core/ir/ops.def`, gives the enum, the verifier, the printer, the
kernels and this page. Native code never raises: a lane for which an op cannot give CPython's result *bails*, and that
row is run by CPython.

- **operands**: *num*, int or float, all alike; *bits*, int or bool; *equal*, int, float, bool or str; *any*, any set of
  kinds.
- **result**: *same* as the operands; *declared*, as the instruction says.
- **bails**: *overflow*, the exact result does not fit 64 bits; *zero*, division by zero; *domain*, CPython would raise,
  warn, change the result's type, or has code of its own; *inexact*, the int has no exact float; *kind*, the value's
  type is not the expected one; *always*.
- **laws**: *comm*, operands may change places; *assoc_i64*, exact ints associate; *cheap*, costs nothing on dead lanes;
  *term*, ends a block; *libm*, calls the C library.
"""


def ops_page(source: Path) -> str:
    out = [HEAD.format(source="core/ir/ops.def"), OPS_INTRO]
    for entry in entries(source, "OP"):
        if isinstance(entry, str):
            title, _, rest = entry.replace(";", ":", 1).partition(":")
            rest = rest.strip()
            out.append(f"\n## {title[0].upper()}{title[1:]}\n" + (f"\n{rest[0].upper()}{rest[1:]}.\n" if rest else ""))
            out.append("\n| op | Python | arity | operands | result | bails | laws | note |\n")
            out.append("|---|---|---|---|---|---|---|---|\n")
            continue
        name, arity, operands, result, bails, laws, text = entry.cells
        row = (f"`{name}`", f"`{text}`", arity, words(operands), words(result), words(bails), words(laws), entry.note)
        out.append("| " + " | ".join(map(cell, row)) + " |\n")
    return "".join(out)


REASONS_INTRO = """# Why something runs in CPython

The reasons that `pf.explain`, `pf.last`, `pf.stats` and `PUREFOLD_LOG=fallback` give, from their one table,
`ext/reasons.def`. A reason is never an error: the chain runs in CPython, with the answer it always had.
"""


def reasons_page(source: Path) -> str:
    out = [HEAD.format(source="ext/reasons.def"), REASONS_INTRO]
    in_table = False
    for entry in entries(source, "REASON"):
        if isinstance(entry, str):
            out.append(f"\n## {entry[0].upper()}{entry[1:].rstrip('.')}\n")
            in_table = False
            continue
        if not in_table:
            out.append("\n| code | meaning | what helps |\n|---|---|---|\n")
            in_table = True
        _, code, sentence, hint = entry.cells
        if code != "none":
            out.append("| " + " | ".join((f"`{code}`", cell(sentence), cell(hint))) + " |\n")
    return "".join(out)


RULES_INTRO = """# The rewrite rules

What the engine may change about a row program before it runs it, from the one table `core/rewrite/rules.def`. Every rule keeps
each row's outcome, bit for bit: the same values, or CPython. In patterns x, y, z are any values, v one that is no constant, and
A, B are constants. Any of them can be switched off by its name
(`pf.config.disable`, `PUREFOLD_DISABLE`), and `pf.explain` names those that fired. Beside these, `range_stride` makes
a test for a remainder of a range's items a longer stride of the range; it changes what is gathered, not the program.

## Passes over the whole program

| rule | law |
|---|---|
"""
RULES_HEAD = "\n| rule | operands | before | after | law |\n|---|---|---|---|---|\n"
KIND_NAMES = {"PF_K_I64": "int", "PF_K_F64": "float", "PF_K_BOOL": "bool", "PF_K_STR": "str", "PF_K_ALL": "any"}


def rules_page(source: Path) -> str:
    out = [HEAD.format(source="core/rewrite/rules.def"), RULES_INTRO]
    for entry in entries(source, "PASS", "RULE"):
        if isinstance(entry, str):
            title, _, rest = entry.rstrip(".").partition(": " if ":" in entry else ". ")
            out.append(f"\n## {title}\n" + (f"\n{rest[0].upper()}{rest[1:]}.\n" if rest else "") + RULES_HEAD)
        elif entry.macro == "PASS":
            name, law = entry.cells
            out.append(f"| `{name}` | {cell(law)} |\n")
        else:
            name, _, kinds, before, after, law = entry.cells
            of = ", ".join(KIND_NAMES[kind.strip()] for kind in kinds.split("|"))
            out.append(f"| `{name}` | {of} | `{before}` | `{after}` | {cell(law)} |\n")
    return "".join(out)


PAGES = (
    ("core/ir/ops.def", "docs/ops.md", ops_page),
    ("core/rewrite/rules.def", "docs/rules.md", rules_page),
    ("ext/reasons.def", "docs/reasons.md", reasons_page),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")
    options = parser.parse_args()
    stale = []
    for source, page, make in PAGES:
        text = make(ROOT / source)
        target = ROOT / page
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(page)
            if not options.check:
                target.write_text(text, encoding="utf-8")
    if stale:
        print(("out of date: " if options.check else "written: ") + ", ".join(stale))
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
