"""What the descriptions of bodies are made of."""

from typing import Any

from rest_framework import serializers

from assets.validation.rules import LARGEST_INTEGER, LONGEST_NAME


class Document(serializers.Serializer[Any]):
    """A shape that is described and never used to parse."""


def name(**options: Any) -> serializers.CharField:
    """Return the field of a partner's own name for something."""
    return serializers.CharField(max_length=LONGEST_NAME, **options)


def amount(*, least: int = 0, **options: Any) -> serializers.IntegerField:
    """Return the field of a number that counts from 0, and is `least` or more."""
    return serializers.IntegerField(min_value=least, max_value=LARGEST_INTEGER, **options)


def power(**options: Any) -> serializers.IntegerField:
    """Return the field of a power, whose sign is its direction."""
    return serializers.IntegerField(min_value=-LARGEST_INTEGER, max_value=LARGEST_INTEGER, **options)
