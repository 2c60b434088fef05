"""What runs: activations with what is done to them, and the memory of the closed loop."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from aggregator.core.services import clock
from aggregator.core.units import WATT_PER_KILOWATT
from aggregator.operator.admin.base import HistoryAdmin, ReadOnlyInline, RegisterAdmin, operator_of
from aggregator.operator.admin.columns import window
from aggregator.operator.admin.forms import LARGEST_KW
from aggregator.operator.admin.reasons import ReasonForm, with_reason
from aggregator.operator.live import live_view
from bidding.dispatch.acts import NotPossible, cap_activation, hold_activation, resume_activation, stop_activation
from bidding.models import Activation, ActivationPtu, ActivationSample, DispatchAlarm, Duty, PauseTest, UseCost

_ACTS: Mapping[str, Callable[..., Activation]] = {
    "hold": hold_activation,
    "resume": resume_activation,
    "cap": cap_activation,
    "stop": stop_activation,
}


class CapForm(ReasonForm):
    """How much of an order is delivered at most."""

    cap_kw = forms.IntegerField(
        label="At most (kW)",
        min_value=0,
        max_value=LARGEST_KW,
        required=False,
        help_text="Empty lifts the cap.",
        widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}),
    )
    field_order = ("cap_kw", "reason")

    def clean(self) -> dict[str, Any]:
        """Return the cap in watts, as the operation takes it."""
        cleaned = super().clean() or self.cleaned_data
        cap_kw = cleaned.pop("cap_kw", None)
        return {**cleaned, "cap_w": None if cap_kw is None else cap_kw * WATT_PER_KILOWATT}


class ActivationPtuInline(ReadOnlyInline):
    model = ActivationPtu
    fields = ("ptu_start", "ordered_w")


@admin.register(Activation)
class ActivationAdmin(HistoryAdmin):
    list_display = (window, "aggregation_ean", "direction", "status", "is_kept", "reference", "stop_reason")
    list_filter = ("status", "is_kept", "aggregation_ean", "direction")
    list_select_related = ("aggregation_ean",)
    search_fields = ("reference", "aggregation_ean__ean", "aggregation_ean__name")
    date_hierarchy = "starts_at"
    inlines = (ActivationPtuInline,)
    readonly_fields = ("live",)
    actions = ("hold", "resume", "cap", "stop")

    def get_urls(self) -> list[URLPattern]:
        """Add the page that shows it live."""
        view = self.admin_site.admin_view(lambda request, object_id: live_view(request, object_id, self))
        return [path("<path:object_id>/live/", view, name="bidding_activation_live"), *super().get_urls()]

    @admin.display(description="Live")
    def live(self, activation: Activation) -> str:
        """Link to the page that shows it live."""
        address = reverse("admin:bidding_activation_live", args=[activation.pk])
        return format_html('<a href="{}">Minute by minute, and what can be done</a>', address)

    @admin.action(description="Hold: plan nothing new", permissions=["act"])
    def hold(self, request: HttpRequest, queryset: QuerySet[Activation]) -> HttpResponse | None:
        """Leave everything as it is told now."""
        return self._act(request, queryset, action="hold", title="Hold these activations", done="held")

    @admin.action(description="Resume: steer again", permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Activation]) -> HttpResponse | None:
        """Steer what was on hold."""
        return self._act(request, queryset, action="resume", title="Resume these activations", done="resumed")

    @admin.action(description="Cap what is delivered, or lift the cap", permissions=["act"])
    def cap(self, request: HttpRequest, queryset: QuerySet[Activation]) -> HttpResponse | None:
        """Deliver no more than so much."""
        title, done = "Cap these activations", "changed"
        return self._act(request, queryset, action="cap", title=title, done=done, form_class=CapForm)

    @admin.action(description="Stop steering for it now", permissions=["act"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Activation]) -> HttpResponse | None:
        """Let every asset go back to its own ways."""
        title, done = "Stop steering for these activations", "stopped"
        return self._act(request, queryset, action="stop", title=title, done=done)

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[Activation],
        *,
        action: str,
        title: str,
        done: str,
        form_class: type[ReasonForm] = ReasonForm,
    ) -> HttpResponse | None:
        actor = operator_of(request)

        def act(activation: Model, reason: str, **more: Any) -> None:
            _ACTS[action](activation_id=activation.pk, now=clock().now(), actor=actor, reason=reason, **more)

        return with_reason(
            admin=self,
            request=request,
            queryset=queryset,
            action=action,
            title=title,
            done=done,
            act=act,
            refusals=(NotPossible,),
            form_class=form_class,
        )


@admin.register(ActivationPtu)
class ActivationPtuAdmin(HistoryAdmin):
    list_display = ("ptu_start", "activation", "ordered_w")
    list_filter = ("activation__aggregation_ean",)
    list_select_related = ("activation",)
    search_fields = ("activation__reference",)
    date_hierarchy = "ptu_start"


@admin.register(Duty)
class DutyAdmin(HistoryAdmin):
    list_display = ("asset", "activation", "asked_w", "usual_w", "measured_w", "cause", "failures", "sampled_at")
    list_filter = ("cause", "activation__aggregation_ean")
    list_select_related = ("asset", "activation")
    search_fields = ("asset__external_id", "activation__reference")


@admin.register(ActivationSample)
class ActivationSampleAdmin(HistoryAdmin):
    list_display = ("at", "activation", "ordered_w", "delivered_w", "asked_w", "seen", "members")
    list_filter = ("activation__aggregation_ean",)
    list_select_related = ("activation",)
    search_fields = ("activation__reference",)
    date_hierarchy = "at"


@admin.register(DispatchAlarm)
class DispatchAlarmAdmin(HistoryAdmin):
    list_display = ("raised_at", "activation", "kind", "message", "cleared_at")
    list_filter = ("kind", ("cleared_at", admin.EmptyFieldListFilter))
    list_select_related = ("activation",)
    search_fields = ("message", "activation__reference")
    date_hierarchy = "raised_at"


@admin.register(UseCost)
class UseCostAdmin(RegisterAdmin):
    list_display = ("asset_kind", "partner", "wear_eur_per_mwh", "compensation_eur_per_mwh")
    list_filter = ("asset_kind", "partner")
    list_select_related = ("partner",)


@admin.register(PauseTest)
class PauseTestAdmin(HistoryAdmin):
    list_display = ("starts_at", "asset", "car_power_w", "outcome", "judged_at")
    list_filter = ("outcome",)
    list_select_related = ("asset",)
    search_fields = ("asset__external_id",)
    date_hierarchy = "starts_at"
