from contextlib import AbstractContextManager
from typing import Iterable, Literal, Mapping, Tuple, Union

_Tier = Union[Literal["auto"], int]

class Config:
    threads: int
    min_rows: int
    tier: _Tier
    log: Literal["", "fallback"]
    @property
    def disable(self) -> Tuple[str, ...]: ...
    @disable.setter
    def disable(self, names: Union[str, Iterable[str]]) -> None: ...
    def __call__(
        self,
        *,
        threads: int = ...,
        min_rows: int = ...,
        tier: _Tier = ...,
        disable: Union[str, Iterable[str]] = ...,
        log: Literal["", "fallback"] = ...,
    ) -> AbstractContextManager[Config]: ...

config: Config

def read_environment(environ: Mapping[str, str]) -> None: ...
