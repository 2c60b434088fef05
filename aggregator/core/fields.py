"""Database fields for our own value types."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from aggregator.core.ean import Ean13, Ean18, InvalidEan


class _EanField(models.CharField):  # type: ignore[type-arg]  # the class is generic for the checker only
    """A fixed-length digit string whose check digit is verified when a person or partner enters it."""

    ean_class: type[Ean18] | type[Ean13]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = self.ean_class.length
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """Leave the fixed length out of migrations."""
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, kwargs

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """Return the code, or raise `ValidationError` with the reason and the cure."""
        try:
            return (
                super().clean(str(self.ean_class(value)), model_instance)
                if value
                else super().clean(value, model_instance)
            )
        except InvalidEan as error:
            raise ValidationError(str(error), code="invalid_ean") from error


class Ean18Field(_EanField):
    """An 18-digit EAN."""

    ean_class = Ean18


class Ean13Field(_EanField):
    """A 13-digit EAN."""

    ean_class = Ean13
