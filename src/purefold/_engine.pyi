"""What the C module gives to the Python layer. Nothing here is public; the public names are purefold's own."""

from builtins import all as all
from builtins import any as any
from builtins import list as list
from builtins import max as max
from builtins import min as min
from builtins import next as next
from builtins import sum as sum
from builtins import tuple as tuple
from collections.abc import Iterable, Mapping
from functools import reduce as reduce
from typing import Any

from . import fold as fold

_unsupported: str | None
"""Why this interpreter gets the plain builtins (a sentence), or None. Where it is set, nothing below exists."""

def _explain(chain: Iterable[object], consumer: str, analyze: bool) -> dict[str, Any]:
    """The dict of docs/explain.md, without consuming the chain."""

def _last() -> dict[str, Any] | None:
    """The same for this thread's last call; None when there was none."""

def _stats(reset: bool) -> dict[str, Any]: ...
def _config_get() -> dict[str, Any]: ...
def _config_set(settings: Mapping[str, Any]) -> None: ...
def _config_default(settings: Mapping[str, Any]) -> None: ...
def _doctor() -> dict[str, Any]:
    """Titles to dicts of facts; `selftest` maps type names to "ok" or to what is wrong."""
