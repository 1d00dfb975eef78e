"""What a generator hands to the oracle."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
    config: tuple = (("threads", 2), ("min_rows", 1))
    twice: bool = False

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def alone(self, text: str | None = None) -> Program:
        """As one part, which has nothing in common with what ran before; with another text where one is given."""
        return replace(self, parts=(self.text if text is None else text,))
