from builtins import all as all
from builtins import any as any
from builtins import list as list
from builtins import max as max
from builtins import min as min
from builtins import next as next
from builtins import sum as sum
from builtins import tuple as tuple
from collections.abc import Callable, Iterable
from functools import reduce as reduce
from types import ModuleType, TracebackType
from typing import Any, Final, Literal, TypedDict, TypeVar, overload

from ._config import Config
from .purity import PurityError as PurityError
from .purity import pure as pure

_T = TypeVar("_T")
_A = TypeVar("_A")

__version__: Final[str]
config: Final[Config]

@overload
def fold(op: Callable[[_T, _T], _T], iterable: Iterable[_T]) -> _T: ...
@overload
def fold(
    op: Callable[[_A, _T], _A],
    iterable: Iterable[_T],
    identity: _A,
    combine: Callable[[_A, _A], _A] | None = ...,
) -> _A: ...

class Explanation(str):
    data: dict[str, Any]

def explain(
    chain: Iterable[object],
    consumer: Callable[..., Any] | str | None = ...,
    format: Literal["text", "json"] = ...,
    analyze: bool = ...,
) -> Explanation: ...
def last(format: Literal["text", "json"] = ...) -> Explanation | None: ...

class _Stats(TypedDict):
    calls: int
    calls_native: int
    calls_fallback: int
    rows_native: int
    rows_replayed: int
    rows_fallback: int
    fallback_reasons: dict[str, int]

def stats(reset: bool = ...) -> _Stats: ...

class patch:
    def __init__(self, *modules: ModuleType) -> None: ...
    def __enter__(self) -> patch: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
