"""What all our admin pages share."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

UNSTATED_REASON = "decided on the operator pages"


class HistoryAdmin(ModelAdmin):
    """Rows that tell what happened: to be read and searched, never changed."""

    list_per_page = 50
    show_full_result_count = False  # counting millions of rows helps nobody

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody adds history by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - same
        """Nobody changes history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - same
        """Nobody deletes history."""
        return False


class RegisterAdmin(ModelAdmin):
    """Rows that people keep: added and changed, but not deleted while anything refers to them."""

    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - same
        """Rows are ended or made inactive instead: settlement needs them for years."""
        return False


def operator_of(request: HttpRequest) -> User:
    """Return the person at the screen; the admin lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - a promise of the admin's own login check
    return request.user


def tell(request: HttpRequest, *, done: int, what: str, problems: list[str]) -> None:
    """Say what an action did, and why not for the rest."""
    if done:
        messages.success(request, f"{done} {what}.")
    for problem in problems:
        messages.error(request, problem)
