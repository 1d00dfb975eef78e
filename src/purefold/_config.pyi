from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Literal

_Tier = Literal["auto"] | int

class Config:
    threads: int
    min_rows: int
    plan_after: int
    tier: _Tier
    log: Literal["", "fallback"]
    @property
    def disable(self) -> tuple[str, ...]: ...
    @disable.setter
    def disable(self, names: str | Iterable[str]) -> None: ...
    def __call__(
        self,
        *,
        threads: int = ...,
        min_rows: int = ...,
        plan_after: int = ...,
        tier: _Tier = ...,
        disable: str | Iterable[str] = ...,
        log: Literal["", "fallback"] = ...,
    ) -> AbstractContextManager[Config]: ...

config: Config

def read_environment(environ: Mapping[str, str]) -> None: ...
