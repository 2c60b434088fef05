"""What all our admin pages share."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models
from django.forms import ModelForm, MultiWidget
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin, TabularInline

from aggregator.core import audit
from aggregator.core.fields import Ean13Field, Ean18Field
from aggregator.core.services import clock
from aggregator.operator.admin.columns import Column, readable
from aggregator.operator.admin.refusals import SaveRefused, words_of
from aggregator.operator.spelling import spelled

HISTORY_ROWS_PER_PAGE = 50
_ENTERED_IN = (
    ("_wh", "Wh"),
    ("_w", "W"),
    ("_w_per_minute", "W per minute"),
    ("_eur", "€"),
    ("_eur_per_mwh", "€ per MWh"),
    ("_eur_per_kwh", "€ per kWh"),
)


class ReadableAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold has no types
    """Lists and read-only values in kW, euros and Dutch time."""

    list_per_page = HISTORY_ROWS_PER_PAGE
    show_full_result_count = False  # counting millions of rows helps nobody
    list_filter_submit = True

    def get_list_display(self, request: HttpRequest) -> list[Column]:
        """Show what people read."""
        return readable(self.model, super().get_list_display(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:
        """Show what people read."""
        return readable(self.model, super().get_readonly_fields(request, obj))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:
        """Give the read-only fields in the form people read; those that are typed in stay as they are."""
        names = self.fields or [name for name in super().get_fields(request, obj) if isinstance(name, str)]
        if obj and not self.has_change_permission(request, obj):
            return readable(self.model, list(dict.fromkeys(names)))
        readonly = set(super().get_readonly_fields(request, obj))
        return [(readable(self.model, [name])[0] if name in readonly else name) for name in dict.fromkeys(names)]


class HistoryAdmin(ReadableAdmin):
    """Rows that tell what happened: to be read and searched, never changed."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody adds history by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - same
        """Nobody changes history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - same
        """Nobody deletes history."""
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Tell who may decide things about such rows: whoever may change them, were that possible."""
        options = self.opts
        return bool(request.user.has_perm(f"{options.app_label}.change_{options.model_name}"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:  # noqa: ARG002 - same
        """Show everything, changeable by nobody."""
        return readable(self.model, self._names()) if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:
        """Show everything."""
        return self.get_readonly_fields(request, obj)

    def _names(self) -> Sequence[str]:
        """Return every field that is not shown another way, and what is shown instead."""
        shown_as = {"why": "explanation", "price_made_of": "price_parts"}
        hidden = {field for name, field in shown_as.items() if name in self.readonly_fields}
        kept = [field for field in self.opts.fields if not isinstance(field, models.BinaryField)]
        hidden.update(self.exclude or ())
        names = [field.name for field in kept if not field.auto_created and field.name not in hidden]
        return [*names, *self.readonly_fields]


class RegisterAdmin(ReadableAdmin):
    """Rows that people keep: added and changed, but not deleted while anything refers to them.

    `is_shared`: other processes write to the same rows, so only what was typed in is saved.
    """

    is_shared = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - same
        """Rows are ended or made inactive instead: settlement needs them for years."""
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Let the EAN rule itself speak, also about codes that are too long."""
        if isinstance(db_field, Ean13Field | Ean18Field):
            kwargs["max_length"] = None
        if isinstance(db_field, models.URLField):
            kwargs["assume_scheme"] = "https"
        for ending, unit in _ENTERED_IN:
            if db_field.name.endswith(ending):
                kwargs["label"] = f"{capfirst(spelled(db_field.name.removesuffix(ending)))} ({unit})"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> "type[ModelForm[Any]]":
        """Return the form, which repeats what the database or an operation refused a moment ago."""
        form: type[ModelForm[Any]] = super().get_form(request, obj, change, **kwargs)
        refusal: SaveRefused | None = getattr(request, "save_refused", None)
        if refusal is None:
            return form
        refused = refusal.messages

        class Refused(form):  # type: ignore[valid-type, misc]  # a form made for this request
            def clean(self) -> Any:
                cleaned = super().clean()
                for message in refused:
                    self.add_error(None, message)
                return cleaned

        return Refused

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form again when saving was refused: the page's transaction is rolled back by then."""
        answer: HttpResponse
        try:
            answer = super().changeform_view(request, object_id, form_url, extra_context)
        except SaveRefused as refusal:
            request.save_refused = refusal  # type: ignore[attr-defined]  # from this view to its form
            answer = super().changeform_view(request, object_id, form_url, extra_context)
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Name both parts of a date with a time: the theme labels the pair and calls the parts “Date” and “Time”."""
        for field in context["adminform"].form:
            if isinstance(field.field.widget, MultiWidget):
                for part, widget in zip(("date", "time"), field.field.widget.widgets, strict=True):
                    widget.attrs["aria-label"] = f"{field.label}, {part}"
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save and note who did it; what is refused after all becomes an error on the form."""
        try:
            self.store(request, obj, form, change=change)
        except ValidationError as error:
            raise SaveRefused(error.messages) from error
        except IntegrityError as error:
            raise SaveRefused([words_of(error)]) from error

    def store(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", *, change: bool) -> None:
        """Write the row and its audit event."""
        obj.save(update_fields=form.changed_data if change and self.is_shared else None)
        options = self.opts
        audit.record(
            now=clock().now(),
            action=f"{options.app_label}.{options.model_name}.{'changed' if change else 'added'}",
            subject=obj,
            actor=operator_of(request),
            before={name: _plain(form.initial.get(name)) for name in form.changed_data} if change else None,
            after={name: _plain(form.cleaned_data.get(name)) for name in form.changed_data},
        )


def _plain(value: Any) -> Any:
    if isinstance(value, models.Model):
        return value.pk
    return value if isinstance(value, str | int | bool | None) else str(value)


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # Unfold has no types
    """Rows of a parent that are made by the service."""

    extra = 0
    can_delete = False
    hide_title = True  # it would repeat what the columns say
    ordering = ("pk",)
    per_page = 100

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Made by the service."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Made by the service."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:  # noqa: ARG002 - same
        """Show what people read."""
        return readable(self.model, self.fields or ())

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:
        """Show what people read."""
        return self.get_readonly_fields(request, obj)


def operator_of(request: HttpRequest) -> User:
    """Return the person at the screen; the admin lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - a promise of the admin's own login check
    return request.user


def tell(request: HttpRequest, *, done: str, problems: Sequence[str]) -> None:
    """Say what an action did, if anything, and why not for the rest."""
    if done:
        messages.success(request, f"{done}.")
    for problem in problems:
        messages.error(request, problem)
