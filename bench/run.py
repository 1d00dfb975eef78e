"""``make bench``: purefold against CPython and C, interleaved in one run, every answer checked.

Prints markdown tables with the targets beside the figures. Exit code 1 when an answer is not identical to CPython's;
a missed target does not fail the run, it is listed at the end.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.extend(str(Path(__file__).resolve().parent.parent / folder) for folder in ("examples", "tests"))

import sections
from native import FLAGS, Kernels
from race import Report

import purefold as pf


def cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(
                (line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "unknown CPU"
            )
    except OSError:
        return platform.processor() or "unknown CPU"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="inputs a hundredth of the size, fewer rounds")
    parser.add_argument("--rounds", type=int, help="interleaved rounds of each race (5)")
    parser.add_argument("--only", action="append", choices=list(sections.ALL), help="one section; may be repeated")
    options = parser.parse_args()

    setting = SimpleNamespace(
        scale=100 if options.quick else 1,
        rounds=options.rounds or (3 if options.quick else 5),
        plain=SimpleNamespace(
            sum=sum, min=min, max=max, any=any, all=all, list=list, tuple=tuple, next=next, reduce=functools.reduce
        ),
        kernels=Kernels(),
    )
    print(f"CPython {platform.python_version()} ({platform.python_compiler()}), purefold {pf.__version__}")
    print(f"{cpu_name()}, {os.cpu_count()} CPUs; C: gcc {' '.join(FLAGS)}")
    if options.quick:
        print("quick: inputs are a hundredth of the size, so the targets mean little")
    report = Report()
    for name in options.only or sections.ALL:
        sections.ALL[name](setting, report)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
