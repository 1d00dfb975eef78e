"""The kill table: every planted bug, built and hunted.

    python tools/kill_table.py [--programs 6000] [--markdown FILE] [BUG...]

fuzz/planted_bugs.toml names the bugs; each stands in the C source behind PF_PLANTED_BUG_<NAME>, as the meson option
`planted_bug` would define it. For each one the engine is built in a directory of its own (from a copy of one clean
build, in which only the files that mention the bug are compiled again), and then the evidence runs with a fixed budget until something
notices: first the fuzzer, then the exactness tests. A bug that nothing notices is a hole in the evidence, and so is one
that stands nowhere in the source: both make the exit status 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIMIZATION = "-Doptimization=1"  # two in three of the minutes would be the optimiser's
TIMEOUT = 1800  # seconds of the wall, of a machine that may have other work: to run out of them counts as caught
TESTS = sorted(str(p.relative_to(ROOT)) for name in ("exactness_*", "wide_*") for p in ROOT.glob(f"tests/test_{name}.py"))


@dataclass
class Verdict:
    bug: str
    caught_by: str  # empty: by nothing
    what: str
    seconds: float


def mentions(macro: str) -> list[Path]:
    """Source files in which the bug stands."""
    files = [p for folder in ("core", "ext") for p in (ROOT / folder).rglob("*.[ch]*")]
    word = re.compile(rf"\b{macro}\b")
    return [p for p in files if p.suffix in (".c", ".h", ".def") and word.search(p.read_text())]


def clean_build(python: str, directory: Path) -> None:
    subprocess.run([ROOT / "tools" / "dev-build", python, directory, "-Dtests=disabled", OPTIMIZATION], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def dependents(build: Path, files: list[Path]) -> set[str]:
    """Objects that have to be compiled again when these files change."""
    deps = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=True).stdout
    wanted = {p.resolve() for p in files}
    found: set[str] = set()
    target = ""
    for line in deps.splitlines():
        if line and not line.startswith(" "):
            target = line.split(":")[0]
        elif line.strip() and (build / line.strip()).resolve() in wanted:
            found.add(target)
    return found


def plant(clean: Path, build: Path, macro: str, files: list[Path]) -> Path:
    """A copy of the clean build with the bug compiled in; the PYTHONPATH to use it from."""
    shutil.copytree(clean, build, symlinks=True)
    targets = dependents(build, files)
    lines, inside = [], False
    for line in (build / "build.ninja").read_text().splitlines():
        if line.startswith("build "):
            inside = line[6:].split(":")[0].strip() in targets
        elif inside and line.startswith(" ARGS = "):
            line += f" -D{macro}=1"
        lines.append(line)
    (build / "build.ninja").write_text("\n".join(lines) + "\n")
    subprocess.run(["ninja", "-C", str(build), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    package = build / "py" / "purefold"
    shutil.rmtree(package)
    shutil.copytree(ROOT / "src" / "purefold", package, ignore=shutil.ignore_patterns("__pycache__", "meson.build"))
    engine = next((build / "ext").glob("_engine*.so"))
    (package / engine.name).symlink_to(engine)
    return build / "py"


def run(command: list[str], path: Path, seconds: float) -> tuple[int, str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(path), str(ROOT)))}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=seconds)
        return process.returncode, out
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        return 1, "hangs\n"


def hunt(python: str, path: Path, programs: int) -> tuple[str, str]:
    """What notices the bug first, and what it saw."""
    fuzz = [python, "-m", "fuzz.run", "--programs", str(programs), "--seed", "kill", "--jobs", "1", "--shrink", "0", "--max-failures", "1"]
    status, out = run(fuzz, path, TIMEOUT)
    if status:
        first = next((line for line in out.splitlines() if line.startswith("# kill:")), "# fuzz: hangs")
        number, _, what = first[2:].partition(": ")
        return f"fuzz, program {number.partition(':')[2]}", what
    for test in TESTS:
        status, out = run([python, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "-m", "not timing", test], path, TIMEOUT)
        if status:
            failed = next((line for line in out.splitlines() if line.startswith("FAILED")), "FAILED " + test)
            return failed.split(" - ")[0][7:].replace("tests/", ""), "assertion" if "FAILED" in out else "crash"
    return "", ""


def judge(bug: str, python: str, clean: Path, programs: int, scratch: Path) -> Verdict:
    started = time.monotonic()
    macro = f"PF_PLANTED_BUG_{bug.upper()}"
    files = mentions(macro)
    if not files:
        return Verdict(bug, "", "stands nowhere in the source", 0.0)
    build = scratch / bug
    try:
        path = plant(clean, build, macro, files)
        caught, what = hunt(python, path, programs)
    except subprocess.CalledProcessError:
        caught, what = "", "does not compile"
    finally:
        shutil.rmtree(build, ignore_errors=True)
    return Verdict(bug, caught, what, time.monotonic() - started)


TABLE = """# The kill table

Bugs that are planted on purpose, one build each, and the evidence that notices them: fuzz/planted_bugs.toml names them, and
`python tools/kill_table.py --markdown docs/kill_table.md` builds and hunts every one and writes this page. Which program of the
fuzzer or which test comes first depends on the generator of the day; that something does is what counts.

| planted bug | what it does | caught by |
| --- | --- | --- |
"""


def write_table(path: Path, bugs: dict, verdicts: list[Verdict]) -> None:
    """Rows of bugs that were not hunted now stay as they are, so that a new bug needs no new hunt for all others."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = {found[1]: line for line in lines if (found := re.match(r"\| `(\w+)` \|", line))}
    rows |= {v.bug: f"| `{v.bug}` | {bugs[v.bug]['meaning']} | {v.caught_by or '**nothing**'} |" for v in verdicts}
    path.write_text(TABLE + "".join(rows[bug] + "\n" for bug in bugs if bug in rows))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bugs", nargs="*")
    parser.add_argument("--programs", type=int, default=6000, help="the fuzzer's budget per bug")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    args = parser.parse_args()
    bugs = tomllib.loads((ROOT / "fuzz" / "planted_bugs.toml").read_text())
    with tempfile.TemporaryDirectory(prefix="purefold-kill-") as folder:
        scratch = Path(folder)
        clean_build(args.python, scratch / "clean")
        caught, what = hunt(args.python, scratch / "clean" / "py", args.programs)
        if caught:
            print(f"the clean build is caught too ({caught}: {what}): mend that first")
            return 1
        verdicts = []
        for bug in args.bugs or bugs:
            verdict = judge(bug, args.python, scratch / "clean", args.programs, scratch)
            verdicts.append(verdict)
            if args.markdown:
                write_table(args.markdown, bugs, verdicts)
            print(f"{bug:26} {verdict.caught_by or 'NOT CAUGHT':60} {verdict.what:24} {verdict.seconds:5.0f} s", flush=True)
    missed = [v.bug for v in verdicts if not v.caught_by]
    print(f"kill table: {len(verdicts) - len(missed)} of {len(verdicts)} planted bugs caught" + (f"; missed: {', '.join(missed)}" if missed else ""))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
