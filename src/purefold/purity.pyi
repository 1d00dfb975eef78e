from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["PurityError", "pure"]

_F = TypeVar("_F", bound=Callable[..., Any])

class PurityError(ValueError): ...

def pure(function: _F) -> _F: ...
