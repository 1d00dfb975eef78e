"""Builds bench/kernels.c with the flags that the comparison names, and calls it through ctypes."""

from __future__ import annotations

import array
import ctypes
import os
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache" / "bench"
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fopenmp", "-shared", "-fPIC", "-std=c11")


class Kernels:
    """The C kernels; every method takes the number of OpenMP threads last."""

    def __init__(self) -> None:
        # OpenMP's threads would otherwise spin on after their work, at the expense of whoever runs next.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        CACHE.mkdir(parents=True, exist_ok=True)
        library = CACHE / "libkernels.so"
        source = HERE / "kernels.c"
        if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
            compiler = os.environ.get("BENCH_CC", "gcc")
            subprocess.run([compiler, *FLAGS, str(source), "-o", str(library), "-lm"], check=True)
        self._c: Any = ctypes.CDLL(str(library))
        i64, f64, ptr, i32 = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p, ctypes.c_int
        for name, result, arguments in (
            ("p1", i64, [i64, i32]),
            ("p2", i64, [ptr, i64, i32]),
            ("p3", f64, [ptr, i64, i32]),
            ("p4a", f64, [ptr, i64, i32]),
            ("fill_ints", None, [ptr, i64, i64, ctypes.c_uint64]),
            ("fill_floats", None, [ptr, i64, ctypes.c_uint64]),
        ):
            function = getattr(self._c, name)
            function.restype, function.argtypes = result, arguments

    def p1(self, n: int, threads: int) -> int:
        return self._c.p1(n, threads)

    def over(self, name: str, xs: array.array, threads: int) -> Any:
        address, length = xs.buffer_info()
        return getattr(self._c, name)(address, length, threads)

    def ints(self, n: int, bound: int = 10**6, seed: int = 20130101) -> array.array:
        xs = array.array("q", bytes(8 * n))
        self._c.fill_ints(xs.buffer_info()[0], n, bound, seed)
        return xs

    def floats(self, n: int, seed: int = 20130102) -> array.array:
        xs = array.array("d", bytes(8 * n))
        self._c.fill_floats(xs.buffer_info()[0], n, seed)
        return xs
