#!/usr/bin/env python3
"""Holds the house to its plan: who may include whom, where Python and the operating system may be named, and that the
build knows every file.

    python tools/check_layering.py [ROOT]      exit code 1 and one line per breach

The layering is  base <- prim, column <- ir <- rewrite, interp, emit <- sched <- run <- ext.  A file may include its own
room and every room further left; rooms that share a place never see each other, and core/include is open to all.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

LAYERS = (
    ("core/include",),
    ("core/base",),
    ("core/prim", "core/column"),
    ("core/ir",),
    ("core/rewrite", "core/interp", "core/emit"),
    ("core/sched",),
    ("core/run",),
    ("ext",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
TESTS = "core/tests"  # sees all of core

PYTHON = re.compile(
    r"(Python|pyconfig|structmember|patchlevel|opcode|frameobject|datetime)\.h$|(^|/)(cpython|internal)/"
)
SYSTEM = re.compile(r"(pthread|unistd|sched|signal|fcntl|dlfcn|threads|poll)\.h$|^(sys|linux|mach)/")
INCLUDE = re.compile(r"""^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]""", re.MULTILINE)


def room_of(path: Path) -> str:
    """The room of a file, by its path from the root: core/ir, ext... or "" where it is in none."""
    parts = path.parts
    room = "/".join(parts[:2]) if parts[0] == "core" else parts[0]
    return room if room in LEVEL or room == TESTS else ""


def target_of(root: Path, source: Path, quote: str, name: str) -> Path | None:
    """The file of ours that an include names, by its path from the root; None for a system header."""
    candidates = [root / "core" / "include" / name]
    if quote == '"':
        candidates.insert(0, (root / source).parent / name)
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve().relative_to(root.resolve())
    return None


def breach(root: Path, source: Path, quote: str, name: str) -> str | None:
    """What is wrong with one include, or None."""
    room = room_of(source)
    if room != "ext" and PYTHON.search(name):
        return f"{name}: only ext/ may know Python"
    if quote == "<" and room not in ("core/prim", TESTS, "ext") and SYSTEM.search(name):
        return f"{name}: the operating system is prim's business"
    target = target_of(root, source, quote, name)
    if target is None:
        return f"{name}: no such file" if quote == '"' and room != "ext" else None
    other = room_of(target)
    if other == room:
        return None
    if room == TESTS:
        return f"{name}: a test of the core sees the core alone" if other == "ext" else None
    if other == "" or other == TESTS or LEVEL[other] >= LEVEL[room]:
        return f"{name}: {room} may not include {other or target.parent.as_posix()}"
    return None


def includes(root: Path) -> Iterator[str]:
    for folder in ("core", "ext"):
        for path in sorted((root / folder).rglob("*.[chd]*")):
            source = path.relative_to(root)
            if path.suffix not in (".c", ".h", ".def"):
                continue
            if not room_of(source):
                yield f"{source}: a file outside the rooms of tools/check_layering.py"
                continue
            text = path.read_text()
            for match in INCLUDE.finditer(text):
                wrong = breach(root, source, *match.groups())
                if wrong:
                    yield f"{source}:{text.count(chr(10), 0, match.start()) + 1}: {wrong}"


def build_files(root: Path) -> Iterator[str]:
    """Files that no meson.build names are not compiled, not tested, not installed, and nobody notices."""
    for path in sorted([*(root / "core").rglob("*.c"), *(root / "ext").rglob("*.c")]):
        build = path.parent / "meson.build"
        is_test = path.parent.name == "tests" and path.name.startswith("test_")
        name = path.stem.removeprefix("test_") if is_test else path.name
        if not build.is_file() or f"'{name}'" not in build.read_text():
            yield f"{path.relative_to(root)}: not named in {build.relative_to(root)}"
    package = root / "src" / "purefold"
    build = package / "meson.build"
    listed = build.read_text() if build.is_file() else ""
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.pyi")]):
        if f"'{path.relative_to(package).as_posix()}'" not in listed:
            yield f"{path.relative_to(root)}: not named in {build.relative_to(root)}"


def problems(root: Path) -> list[str]:
    return [*includes(root), *build_files(root)]


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    found = problems(root)
    for line in found:
        print(line, file=sys.stderr)
    print(f"layering: {len(found)} breaches" if found else "layering: as planned")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
