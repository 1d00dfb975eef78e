"""The differential fuzzer's command line.

    python -m fuzz.run --generator all --programs 20000 --seed 1 --jobs 2

Each worker process takes seeds from a range, writes which one it is at (so that a crash or a hang has a name), and
reports mismatches; the master restarts a worker that died behind the seed that killed it. Every failure is shrunk
and printed as a program that stands alone. One line for each generator sums up; the exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from . import oracle, reference
from .generators import GENERATORS
from .program import Program
from .shrink import shrink

ROOT = Path(__file__).resolve().parent.parent
MEMORY = 6 << 30  # a program that multiplies tuples in a reduce ends in a MemoryError, not with the machine
HANG_SECONDS = 60

MAIN = "main"
FOLD = f"""\
from functools import reduce
from itertools import islice
NONE = object()
{reference.TEXT}
reference = fold
fold = lambda op, rows, *identity: reference(op, rows, iter, *identity)
"""
STANDALONE = '''\
# {category}: {what}
#   builtins: {plain}
#   purefold: {ours}
import sys, traceback
import purefold as pf
nan, inf, LOG = float("nan"), float("inf"), []
OBJ0, OBJ1, OBJ2 = object(), object(), object()
MARK = lambda: None
WATCHED = []
WATCH = WATCHED.append
OUT = lambda value: print("value", type(value).__name__, repr(value)[:500])
FAIL = lambda error: print("exception", repr(error), [(t.name, t.lineno) for t in traceback.extract_tb(error.__traceback__)])
{fold}PROGRAM = r"""
{text}
"""
for names in ({{}}, {{n: getattr(pf, n) for n in {names!r}}}):
    print("--- purefold" if names else "--- builtins")
    LOG.clear(), WATCHED.clear()
    with pf.config({config}):
        exec(compile(PROGRAM, "<program>", "exec"), {{**globals(), **names}})
    print("log", LOG, "rest", [list(zip(it, range(50))) for it in WATCHED if hasattr(it, "__next__")])
'''


def signature(found: tuple) -> tuple:
    """What has to stay the same while a failure is made smaller."""
    what, plain, ours = found
    return (what.split()[0], *(x[0] if isinstance(x, tuple) and x and isinstance(x[0], str) else None for x in (plain, ours)))


class Worker:
    """Runs a range of seeds in this process."""

    def __init__(self, args: argparse.Namespace) -> None:
        import purefold

        self.pf = purefold
        self.args = args
        self.generate = GENERATORS[args.generator]
        self.features: Counter = Counter()
        self.counts: Counter = Counter()
        if "libasan" not in os.environ.get("LD_PRELOAD", ""):  # its shadow is larger than any limit
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def native(self, program: Program, before: dict) -> None:
        after = self.pf.stats()
        ran = after["calls_native"] > before["calls_native"]
        self.counts["native_calls"] += after["calls_native"] - before["calls_native"]
        self.counts["native_rows"] += after["rows_native"] - before["rows_native"]
        self.counts["native_programs"] += ran
        if program.steps >= 2 and program.functions:
            self.counts["eligible"] += 1
            self.counts["eligible_native"] += ran
        if not ran:
            for reason, times in after["fallback_reasons"].items():
                if times > before["fallback_reasons"].get(reason, 0):
                    self.features[f"reason:{reason}"] += 1

    def one(self, seed: str) -> dict | None:
        program = self.generate(seed)
        before = self.pf.stats()
        found = oracle.judge_in_time(program, self.pf)
        self.counts["programs"] += 1
        self.native(program, before)
        if not found:
            return None
        if found[0][0] == "timeout" and not self.args.timeouts:
            self.counts["timeouts"] += 1
            return None
        return self.report(program, found)

    def report(self, program: Program, found: list) -> dict:
        wanted, text = signature(found[0]), program.text
        if wanted[0] != "timeout" and self.args.shrink:
            def fails(text: str) -> bool:
                again = oracle.judge_in_time(program.alone(text), self.pf)
                return bool(again) and signature(again[0]) == wanted

            text = shrink(text, fails, self.args.shrink)
            found = oracle.judge_in_time(program.alone(text), self.pf) or found
        what, plain, ours = found[0]
        return {"seed": program.seed, "what": what, "plain": repr(plain)[:900], "ours": repr(ours)[:900], "text": text, "names": program.names, "config": program.config}

    def run(self, out) -> None:
        warnings.simplefilter("ignore")
        for number in range(self.args.first, self.args.first + self.args.programs):
            seed = f"{self.args.seed}:{number}"
            out.seek(0)
            out.write(f"{number:<20}")
            out.flush()
            failure = self.one(seed)
            if failure:
                self.counts["failures"] += 1
                print(json.dumps({"failure": failure}), flush=True)
                if self.counts["failures"] >= self.args.max_failures:
                    break
        print(json.dumps({"counts": self.counts, "features": self.features}), flush=True)


class Master:
    """Hands ranges of seeds to worker processes and gathers what they say."""

    def __init__(self, args: argparse.Namespace, generator: str) -> None:
        self.args = args
        self.generator = generator
        self.counts: Counter = Counter()
        self.features: Counter = Counter()
        self.failures: list[dict] = []

    def start(self, first: int, programs: int) -> dict:
        mark = tempfile.NamedTemporaryFile("w+", suffix=".seed")
        out = tempfile.TemporaryFile("w+")
        command = [self.args.python, "-m", "fuzz.run", "--worker", mark.name, "--generator", self.generator, "--seed", str(self.args.seed), "--first", str(first), "--programs", str(programs)]
        command += ["--shrink", str(self.args.shrink), "--max-failures", str(self.args.max_failures)]
        if self.args.timeouts:
            command.append("--timeouts")
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
        return {"process": process, "mark": mark, "out": out, "first": first, "last": first + programs, "at": None, "since": time.monotonic()}

    def harvest(self, job: dict) -> int | None:
        """Take a finished worker's report; the seed number to go on from when it died."""
        job["out"].seek(0)
        noise, complete = [], False
        for line in job["out"]:
            try:
                said = json.loads(line)
            except ValueError:
                noise.append(line)
                continue
            if "failure" in said:
                self.show(said["failure"])
            elif "counts" in said:
                complete = True
                self.counts.update(said["counts"])
                self.features.update(said["features"])
        if complete:
            return None
        number = self.position(job)
        reason = "hang" if job.get("killed") else f"crash {job['process'].returncode}"
        if number is None:
            sys.exit("worker did not start:\n" + "".join(noise)[-3000:])
        program = GENERATORS[self.generator](f"{self.args.seed}:{number}")
        self.counts["programs"] += number + 1 - job["first"]
        self.show({"seed": program.seed, "what": reason, "plain": "", "ours": "".join(noise)[-1500:].replace("\n", "\n#   "), "text": program.text, "names": program.names, "config": program.config})
        return number + 1

    @staticmethod
    def position(job: dict) -> int | None:
        job["mark"].seek(0)
        text = job["mark"].read().strip()
        return int(text) if text else None

    def show(self, failure: dict) -> None:
        self.failures.append(failure)
        names = [n for n in oracle.DROP_INS if failure["names"] == "all" or f"OUT({n}(" in failure["text"]]
        config = ", ".join(f"{k}={v}" for k, v in failure["config"])
        category = failure["seed"] if self.generator == MAIN else f"{self.generator} {failure['seed']}"
        fold = FOLD if "fold(" in failure["text"] else ""
        print(STANDALONE.format(category=category, fold=fold, what=failure["what"], plain=failure["plain"], ours=failure["ours"], text=failure["text"], names=names, config=config), flush=True)

    def run(self) -> int:
        started = time.monotonic()
        size = max(1, min(2000, self.args.programs // self.args.jobs or 1))
        todo = [(self.args.first + at, min(size, self.args.programs - at)) for at in range(0, self.args.programs, size)][::-1]
        running: list[dict] = []
        while todo or running:
            while todo and len(running) < self.args.jobs and len(self.failures) < self.args.max_failures:
                running.append(self.start(*todo.pop()))
            if not running:
                break
            time.sleep(0.05)
            for job in list(running):
                if job["process"].poll() is None:
                    self.check_hang(job)
                    continue
                running.remove(job)
                again = self.harvest(job)
                if again is not None and again < job["last"]:
                    todo.append((again, job["last"] - again))
        return self.summary(time.monotonic() - started)

    def check_hang(self, job: dict) -> None:
        at = self.position(job)
        if at != job["at"]:
            job["at"], job["since"] = at, time.monotonic()
        elif time.monotonic() - job["since"] > HANG_SECONDS + self.args.shrink:
            job["killed"] = True
            os.kill(job["process"].pid, signal.SIGABRT)
            time.sleep(1)
            job["process"].kill()

    def summary(self, seconds: float) -> int:
        c = self.counts
        reasons = sorted(((n, r[7:]) for r, n in self.features.items() if r.startswith("reason:")), reverse=True)[:20]
        if reasons:
            print("not native because:", ", ".join(f"{r} {n}" for n, r in reasons))
        share = f"native share {100.0 * c['eligible_native'] / c['eligible']:.1f} % of {c['eligible']} programs with two steps and a function, " if c["eligible"] else ""
        print(
            f"fuzz {self.generator}: {c['programs']} programs, {len(self.failures)} mismatches, {share}"
            f"{c['native_programs']} native in all ({c['native_calls']} calls, {c['native_rows']} rows),"
            f" {c['timeouts']} timeouts, seed {self.args.seed}, python {self.args.python}, {seconds:.0f} s",
            flush=True,
        )
        return 1 if self.failures else 0


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", choices=[*GENERATORS, "all"], default=MAIN)
    parser.add_argument("--programs", type=int, default=10000, help="of each generator")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=0, help="number of the first program of this seed")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the programs (purefold importable)")
    parser.add_argument("--shrink", type=float, default=20.0, help="seconds of shrinking per failure; 0 prints programs as they are")
    parser.add_argument("--max-failures", type=int, default=10)
    parser.add_argument("--timeouts", action="store_true", help="a program that runs too long is a failure")
    parser.add_argument("--show", action="store_true", help="print the programs of this range and stop")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main() -> int:
    args = parse()
    faulthandler.enable()
    generators = [*GENERATORS] if args.generator == "all" else [args.generator]
    if args.show:
        for generator in generators:
            for number in range(args.first, args.first + args.programs):
                print(f"# {generator} {args.seed}:{number}\n{GENERATORS[generator](f'{args.seed}:{number}').text}")
        return 0
    if args.worker:
        with open(args.worker, "w") as out:
            Worker(args).run(out)
        return 0
    return max([Master(args, generator).run() for generator in generators])


if __name__ == "__main__":
    sys.exit(main())
