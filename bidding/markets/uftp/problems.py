"""What is wrong with a message's structure, said so that the sender can repair it."""

from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN_PROBLEMS = 20
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a message: where, why, and how to fix it."""

    where: str
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}; {self.fix}"


class InvalidMessage(ValueError):
    """A message that does not follow the structure of its version; `problems` says what, why and how to fix it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        shown = [str(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        if len(self.problems) > _SHOWN_PROBLEMS:
            shown.append(f"and {len(self.problems) - _SHOWN_PROBLEMS} more")
        super().__init__("\n".join(shown))


def shown(value: object) -> str:
    """Return `value` short enough for an error message."""
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def misfit(place: str, name: str, value: object, looks_like: str) -> Problem:
    """Return the problem of an attribute that is absent or not of its kind."""
    why = "is missing" if value is None else f"{shown(value)!r} is not allowed"
    return Problem(f"{place}@{name}", why, f"give {looks_like}")
