from builtins import all as all
from builtins import any as any
from builtins import list as list
from builtins import max as max
from builtins import min as min
from builtins import next as next
from builtins import sum as sum
from builtins import tuple as tuple
from functools import reduce as reduce
from types import ModuleType, TracebackType
from typing import Any, Callable, Dict, Final, Iterable, Literal, Optional, TypedDict, TypeVar, Union, overload

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
    combine: Optional[Callable[[_A, _A], _A]] = ...,
) -> _A: ...

class Explanation(str):
    data: Dict[str, Any]

def explain(
    chain: Iterable[object],
    consumer: Union[Callable[..., Any], str, None] = ...,
    format: Literal["text", "json"] = ...,
    analyze: bool = ...,
) -> Explanation: ...
def last(format: Literal["text", "json"] = ...) -> Optional[Explanation]: ...

class _Stats(TypedDict):
    calls: int
    calls_native: int
    calls_fallback: int
    rows_native: int
    rows_replayed: int
    rows_fallback: int
    fallback_reasons: Dict[str, int]

def stats(reset: bool = ...) -> _Stats: ...

class patch:
    def __init__(self, *modules: ModuleType) -> None: ...
    def __enter__(self) -> patch: ...
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...
