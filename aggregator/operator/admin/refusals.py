"""What the database or an operation refuses while a form is saved, in the words of the rule that was broken."""

from collections.abc import Sequence

from django.apps import apps
from django.db import IntegrityError

_UNNAMED = "The database refused this because another row stands in the way. Reload the page and look at what is there."


class SaveRefused(Exception):
    """Saving broke a rule that only shows while writing; `messages` go on the form."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__(*messages)
        self.messages = messages


def words_of(error: IntegrityError) -> str:
    """Return the message of the constraint that an error of the database names."""
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    for model in apps.get_models():
        for constraint in model._meta.constraints:  # noqa: SLF001 - Django's documented API
            if constraint.name == name:
                return str(constraint.get_violation_error_message())
    return _UNNAMED
