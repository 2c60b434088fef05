from typing import Literal

from django.db import models


class Direction(models.TextChoices):
    """Which way consumption is moved."""

    REDUCE = "reduce", "Consume less"
    INCREASE = "increase", "Consume more"


def other_way(direction: str) -> Direction:
    """Return the direction against a stored one."""
    return Direction.REDUCE if Direction(direction) is Direction.INCREASE else Direction.INCREASE


def as_literal(direction: str) -> Literal["reduce", "increase"]:
    """Return a stored direction as the pure packages name it."""
    return "increase" if Direction(direction) is Direction.INCREASE else "reduce"
