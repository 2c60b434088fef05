"""Settings from the environment: one that cannot be read ends the process with a sentence, not with a traceback."""

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TypeVar

import environ

from aggregator.core.database import django_database

T = TypeVar("T")
N = TypeVar("N", int, float)

NO_USE_IN_ANOTHER_TRY = 3
"""Exit code; gunicorn ends on it, where it would start a worker that left with another one again and again."""

TRUE, FALSE = frozenset(environ.Env.BOOLEAN_TRUE_STRINGS), frozenset({"false", "off", "no", "n", "0", ""})
EXAMPLES = {
    bool: "1 or 0",
    int: "a whole number like 48",
    float: "a number like 60 or 0.5",
    dict: "name=value,name=value",
}


def refuse(sentence: str) -> NoReturn:
    """End the process and say which setting is wrong, how, and what a right one looks like."""
    sys.stderr.write(f"Wrong setting. {sentence}\n")
    raise SystemExit(NO_USE_IN_ANOTHER_TRY)


def read(name: str, text: str, how: Callable[[str], T], *, example: str, is_secret: bool = False) -> T:
    """Return what `how` makes of a setting's text, or `refuse` it; one with a password in it is not shown."""
    try:
        return how(text)
    except ValueError:
        refuse(f"{name} {'cannot be read' if is_secret else f'is {text!r}'}; write {example}.")


def database(name: str, url: str) -> dict[str, Any]:
    """Return the `DATABASES` entry for the address that a setting gives, or `refuse` it."""
    example = "an address like postgresql://name:password@host:5432/database"
    return read(name, url, django_database, example=example, is_secret=True)


def within(name: str, number: N, least: N, most: N) -> N:
    """Return a setting's number, or `refuse` one that is out of bounds."""
    if not least <= number <= most:
        refuse(f"{name} is {number:g}; write a number from {least:g} to {most:g}.")
    return number


class Environment(environ.Env):  # type: ignore[misc] # the package has no types
    """Reads variables by kind, each as it stands and more strictly than its parent.

    That takes `1e3` for 13, `BEHIND_TLS=ture` for no, the blank in `a, b` for a part of b, and a password that begins
    with `$` for the name of another variable.
    """

    def get_value(self, var: str, cast: Any = None, **more: Any) -> Any:
        """Return the variable as `cast`, or its default."""
        if var not in self.ENVIRON:
            return super().get_value(var, cast=cast, **more)
        kinds: dict[Any, Callable[[str], Any]] = {bool: _switch, int: int, float: _number, list: _words}
        how = kinds.get(cast, partial(self.parse_value, cast=cast))
        return read(var, self.ENVIRON[var], how, example=EXAMPLES.get(cast, "another"))


def _switch(text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise ValueError(text)
    return text.lower() in TRUE


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
