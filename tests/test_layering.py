"""tools/check_layering.py sees what it is there to see."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

spec = importlib.util.spec_from_file_location("check_layering", ROOT / "tools" / "check_layering.py")
check_layering = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_layering)


def house(tmp_path: Path, files: dict[str, str]) -> list[str]:
    """The breaches of a house of these files, in which every C file is built."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if name.endswith(".c"):
            with (path.parent / "meson.build").open("a") as build:
                build.write(f"files('{path.name}')\n")
    return check_layering.problems(tmp_path)


GOOD = {
    "core/include/purefold/status.h": "",
    "core/base/mem.h": '#include <stdlib.h>\n#include "../include/purefold/status.h"\n',
    "core/prim/thread.c": "#include <pthread.h>\n",
    "core/ir/ir.h": '#include "../base/mem.h"\n',
    "core/interp/run.c": '#include "../ir/ir.h"\n#include <purefold/status.h>\n',
    "core/rewrite/rules.h": "",
    "ext/module.c": '#include <Python.h>\n#include "../core/ir/ir.h"\n',
}


def test_a_house_in_order(tmp_path):
    assert house(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("name", "line", "word"),
    [
        ("core/run/run.c", "#include <Python.h>", "only ext/ may know Python"),
        ("core/base/mem.c", '  #  include   "internal/pycore_frame.h"', "only ext/ may know Python"),
        ("core/base/mem.c", '#include "../ir/ir.h"', "core/base may not include core/ir"),
        ("core/interp/other.c", '#include "../rewrite/rules.h"', "core/interp may not include core/rewrite"),
        ("core/column/vec.c", '#include "../ir/ir.h"', "core/column may not include core/ir"),
        ("core/run/run.c", '#include "../../ext/plan.h"', "core/run may not include ext"),
        ("core/ir/ir.c", "#include <pthread.h>", "prim's business"),
        ("core/ir/ir.c", "#include <sys/mman.h>", "prim's business"),
        ("core/ir/ir.c", '#include "missing.h"', "no such file"),
        ("core/attic/old.c", "", "outside the rooms"),
    ],
)
def test_breaches_are_found(tmp_path, name, line, word):
    found = house(tmp_path, {**GOOD, "ext/plan.h": "", name: "/* first line */\n" + line + "\n"})
    assert len(found) == 1, found
    assert word in found[0]
    assert found[0].startswith(name)
    assert not line or found[0].startswith(f"{name}:2:")


def test_files_that_nobody_builds(tmp_path):
    assert house(tmp_path, GOOD) == []
    (tmp_path / "ext" / "forgotten.c").write_text("")
    (tmp_path / "src" / "purefold").mkdir(parents=True)
    (tmp_path / "src" / "purefold" / "lost.py").write_text("")
    assert [line.split(":")[0] for line in check_layering.problems(tmp_path)] == [
        "ext/forgotten.c",
        "src/purefold/lost.py",
    ]


def test_the_exit_code_says_it(tmp_path, capsys):
    house(tmp_path, {**GOOD, "core/run/run.c": "#include <Python.h>\n"})
    assert check_layering.main([str(tmp_path)]) == 1
    assert "core/run/run.c:1" in capsys.readouterr().err
