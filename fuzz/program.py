"""What a generator hands to the oracle."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

FORCED = ("threads", 2), ("min_rows", 1)
ALONE = ("threads", 1), ("min_rows", 1)
NEW = ("threads", 2), ("min_rows", 2), ("plan_after", 20)


def settings(rnd: random.Random) -> tuple:
    """Mostly everything runs natively and in parallel; or else CPython has the first rows of what is new."""
    return rnd.choice((FORCED,) * 16 + (ALONE,) * 2 + (NEW,) * 2)


@dataclass
class Program:
    """Its text, in parts that are run one after the other in one namespace.

    All but the last are compiled once in a process: functions that several programs have in common are the same code
    to the engine too, which then knows it from other data, as in any program that calls a function twice.
    """

    seed: str
    parts: tuple[str, ...]
    steps: int = 0
    functions: int = 0
    names: str = "consumer"  # which names are dropped in: the consumer's alone, or all
    config: tuple = FORCED
    twice: bool = False

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def alone(self, text: str | None = None) -> Program:
        """As one part, which has nothing in common with what ran before; with another text where one is given."""
        return replace(self, parts=(self.text if text is None else text,))
