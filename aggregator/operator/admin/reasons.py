"""Acts on rows that ask for a reason on a page of their own, because the audit trail keeps it."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin, helpers
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from aggregator.core.words import counted
from aggregator.operator.admin.base import tell

SHOWN_ROWS = 20


class ReasonForm(forms.Form):
    """Why somebody acts."""

    reason = forms.CharField(
        max_length=500,
        label="Reason",
        help_text="Kept in the audit trail with your name.",
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        error_messages={"required": "Say why: the audit trail keeps the reason."},
    )


def with_reason(
    *,
    admin: "ModelAdmin[Any]",
    request: HttpRequest,
    queryset: QuerySet[Any],
    action: str,
    title: str,
    done: str,
    act: Callable[..., object],
    refusals: tuple[type[Exception], ...],
    form_class: type[ReasonForm] = ReasonForm,
) -> HttpResponse | None:
    """Ask why on a small page, then act on each row with the reason; tell what was done and what was refused.

    `action` is the name of the list action, repeated when the page is sent; `done` says what was done to the rows. What
    a `form_class` asks beside the reason is given to `act` by name.
    """
    form = form_class(request.POST if "reason" in request.POST else None)
    if not form.is_valid():
        rows = list(queryset)
        context = {
            **admin.admin_site.each_context(request),
            "title": title,
            "opts": admin.opts,
            "form": form,
            "media": admin.media,
            "rows": [str(row) for row in rows[:SHOWN_ROWS]],
            "more": max(len(rows) - SHOWN_ROWS, 0),
            "selected": [str(row.pk) for row in rows],
            "action": action,
            "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "operator/reason.html", context)
    problems, number = [], 0
    more = {name: value for name, value in form.cleaned_data.items() if name != "reason"}
    for row in queryset:
        try:
            act(row, form.cleaned_data["reason"], **more)
            number += 1
        except refusals as refusal:
            problems.append(f"{row}: {refusal}")
    kind = admin.opts
    rows_done = counted(number, str(kind.verbose_name), str(kind.verbose_name_plural))
    tell(request, done=f"{rows_done} {done}" if number else "", problems=problems)
    return None
