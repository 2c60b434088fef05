from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from aggregator.core.services import clock
from aggregator.operator.admin.base import ReadOnlyInline, RegisterAdmin, operator_of
from aggregator.operator.admin.columns import Column
from aggregator.operator.admin.forms import AssetForm, ChargingSessionForm, EndMembershipForm, MembershipForm
from aggregator.operator.admin.reasons import with_reason
from aggregator.operator.admin.refusals import SaveRefused
from aggregator.operator.display import TO, moment
from aggregator.operator.explanation import drivers_in_words
from aggregator.operator.meter_values import meter_values_view
from assets.models import (
    AggregationEan,
    Asset,
    AssetState,
    ChargingSession,
    CongestionArea,
    Membership,
    Partner,
    SteeringLimit,
)
from assets.operations import UnableToEndMembership, end_membership, resume_partner, stop_partner
from assets.operations.reports import remember_declaration
from bidding.driver_record import driver_record


@admin.register(Partner)
class PartnerAdmin(RegisterAdmin):
    is_shared = True
    list_display = ("name", "is_active", "setpoints", "callback_url", "created_at")
    list_filter = ("is_active", "is_stopped")
    search_fields = ("name", "callback_url")
    fields = (
        "name",
        "callback_url",
        "divides_itself",
        "requests_per_minute",
        "is_active",
        "is_stopped",
        "created_at",
    )
    readonly_fields = ("is_stopped", "created_at")
    actions = ("stop", "resume")

    @admin.display(description="Setpoints", ordering="is_stopped")
    def setpoints(self, partner: Partner) -> str:
        """Say it in words: a red cross at “is stopped” would stand for all is well."""
        return "stopped" if partner.is_stopped else "sent"

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Credentials are shown once, on a terminal: `manage.py partner create NAME`."""
        return False

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Tell who may throw the kill switch: it asks for nothing else, such as editing partners."""
        return bool(request.user.has_perm("assets.stop_partner"))

    @admin.action(description="Stop: send nothing more to them", permissions=["stop"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Partner]) -> HttpResponse | None:
        """Throw the kill switch."""
        return self._switch(request, queryset, "stop", "Stop these partners", "stopped", stop_partner)

    @admin.action(description="Resume", permissions=["stop"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Partner]) -> HttpResponse | None:
        """Let setpoints go to them again."""
        return self._switch(request, queryset, "resume", "Resume these partners", "resumed", resume_partner)

    def _switch(  # noqa: PLR0917 - the parts of one sentence
        self,
        request: HttpRequest,
        queryset: QuerySet[Partner],
        action: str,
        title: str,
        done: str,
        operation: Callable[..., object],
    ) -> HttpResponse | None:
        actor = operator_of(request)

        def act(partner: Model, reason: str) -> None:
            operation(partner_id=partner.pk, reason=reason, now=clock().now(), actor=actor)

        return with_reason(
            admin=self, request=request, queryset=queryset, action=action, title=title, done=done, act=act, refusals=()
        )


@admin.register(SteeringLimit)
class SteeringLimitAdmin(RegisterAdmin):
    list_display = (
        "__str__",
        "max_import_w",
        "max_export_w",
        "max_moved_w",
        "max_step_w",
        "max_ramp_w_per_minute",
        "max_reversals_per_hour",
        "reason",
    )
    list_filter = ("partner", "aggregation_ean")
    search_fields = ("connection_ean", "reason")


@admin.register(CongestionArea)
class CongestionAreaAdmin(RegisterAdmin):
    list_display = ("name", "code", "grid_operator", "postcodes")
    list_filter = ("grid_operator",)
    search_fields = ("name", "code")


@admin.register(AggregationEan)
class AggregationEanAdmin(RegisterAdmin):
    list_display = ("name", "ean", "congestion_area", "autonomy", "reliability", "price_eur_per_mwh")
    list_filter = ("congestion_area", "autonomy")
    list_select_related = ("congestion_area",)
    search_fields = ("name", "ean")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:
        """A group's EAN is its identity: it is chosen once. A new one has no record yet."""
        return ("ean", "drivers") if obj else super().get_readonly_fields(request, obj)

    @admin.display(description="What drivers missed")
    def drivers(self, group: AggregationEan) -> str:
        """Show what calls cost drivers, and how much risk that leaves today."""
        return drivers_in_words(driver_record(aggregation_ean=group, now=clock().now()).to_json())


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = ("aggregation_ean", "lasts")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Fetch the groups with them."""
        rows: QuerySet[Membership] = super().get_queryset(request).select_related("aggregation_ean")
        return rows

    @admin.display(description="Period")
    def lasts(self, membership: Membership) -> str:
        """Show the period in Dutch time."""
        return _lasts(membership)


class AssetStateInline(ReadOnlyInline):
    model = AssetState
    fields = ("at", "power_w", "level_wh", "is_plugged_in", "is_available")


@admin.register(Asset)
class AssetAdmin(RegisterAdmin):
    form = AssetForm
    list_display = (
        "external_id",
        "kind",
        "category",
        "partner",
        "max_import_w",
        "max_export_w",
        "pausing",
        "is_active",
    )
    list_filter = ("partner", "kind", "category", "pausing", "is_active")
    list_select_related = ("partner",)
    search_fields = ("external_id", "connection_ean")
    ordering = ("external_id", "pk")  # also of what a form finds
    readonly_fields = ("meter_values", "registered_at")
    inlines = (AssetStateInline, MembershipInline)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:
        """A new asset has no meter values yet."""
        return [name for name in super().get_fields(request, obj) if obj or name != "meter_values"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Sequence[Any]:
        """A new asset has no state or group yet."""
        return super().get_inlines(request, obj) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        """Add the page with meter values, whose model has no page of its own: its key is composite."""
        view = self.admin_site.admin_view(lambda request, object_id: meter_values_view(request, object_id, self))
        return [path("<path:object_id>/meter-values/", view, name="assets_asset_meter_values"), *super().get_urls()]

    @admin.display(description="Meter values")
    def meter_values(self, asset: Asset) -> str:
        """Link to the page with meter values."""
        return format_html(
            '<a href="{}">Chart and table</a>', reverse("admin:assets_asset_meter_values", args=[asset.pk])
        )

    def store(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", *, change: bool) -> None:
        """Note when we learnt of it."""
        if not change:
            obj.registered_at = clock().now()
        super().store(request, obj, form, change=change)


@admin.register(Membership)
class MembershipAdmin(RegisterAdmin):
    """Assets join a group, and leave it with a reason; who belonged when is never rewritten."""

    list_display = ("asset", "aggregation_ean", "lasts")
    list_filter = ("aggregation_ean", ("asset__partner", admin.RelatedOnlyFieldListFilter), "asset__kind")
    list_select_related = ("asset", "aggregation_ean")
    search_fields = ("asset__external_id",)
    autocomplete_fields = ("asset",)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> "type[ModelForm[Any]]":
        """Ask for all of a new membership, and only for the end of one that is there."""
        form = EndMembershipForm if obj else MembershipForm
        return super().get_form(request, obj, change, form=form, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:
        """Show what was joined; ask for the end."""
        if not obj:
            return ("asset", "aggregation_ean", "starts_at", "ends_at")
        ends = ("ends_at", "reason") if self.has_change_permission(request, obj) else ()
        return ("asset", "aggregation_ean", "lasts", *ends)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:  # noqa: ARG002 - same
        """Keep what was joined."""
        return ("asset", "aggregation_ean", "lasts") if obj else ()

    @admin.display(description="Period", ordering="period")
    def lasts(self, membership: Membership) -> str:
        """Show the period in Dutch time."""
        return _lasts(membership)

    def store(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", *, change: bool) -> None:
        """End a membership by its operation."""
        if not change:
            super().store(request, obj, form, change=change)
            return
        values = form.cleaned_data
        try:
            end_membership(
                asset_id=obj.asset_id,
                ends_at=values["ends_at"],
                reason=values["reason"],
                now=clock().now(),
                actor=operator_of(request),
            )
        except UnableToEndMembership as refusal:
            raise SaveRefused([str(refusal)]) from refusal


def _lasts(membership: Membership) -> str:
    period = membership.period
    return f"{moment(period.lower)} {TO} {moment(period.upper) if period.upper else 'now'}"


@admin.register(ChargingSession)
class ChargingSessionAdmin(RegisterAdmin):
    form = ChargingSessionForm
    list_display = ("external_id", "asset", "plug_in_at", "plug_out_at", "energy_wh", "declared_departure_at")
    list_filter = (("plug_out_at", admin.EmptyFieldListFilter), "asset__category", "asset__partner")
    list_select_related = ("asset",)
    search_fields = ("external_id", "asset__external_id")
    autocomplete_fields = ("asset",)
    date_hierarchy = "plug_in_at"
    readonly_fields = ("known_at", "driver_token")

    def store(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", *, change: bool) -> None:
        """Note when we learnt it."""
        obj.known_at = clock().now()
        super().store(request, obj, form, change=change)
        if {"declared_departure_at", "declared_energy_wh"} & set(form.changed_data):
            remember_declaration(session=obj)
