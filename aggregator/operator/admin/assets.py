from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import TabularInline

from aggregator.core.services import clock
from aggregator.operator.admin.base import UNSTATED_REASON, HistoryAdmin, RegisterAdmin, operator_of, tell
from assets.models import (
    AggregationEan,
    Asset,
    AssetState,
    ChargingSession,
    CongestionArea,
    Membership,
    Partner,
    Setpoint,
    SetpointBatch,
)
from assets.operations.partners import resume_partner, stop_partner


@admin.register(Partner)
class PartnerAdmin(RegisterAdmin):
    list_display = ("name", "is_active", "is_stopped", "callback_url", "created_at")
    list_filter = ("is_active", "is_stopped")
    search_fields = ("name",)
    fields = ("name", "callback_url", "is_active", "is_stopped", "created_at")
    readonly_fields = ("is_stopped", "created_at")
    actions = ("stop", "resume")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Credentials are shown once, on a terminal: `manage.py partner create NAME`."""
        return False

    @admin.action(description="Stop: send nothing more to them", permissions=["change"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Partner]) -> None:
        """Throw the kill switch."""
        for partner in queryset:
            stop_partner(partner_id=partner.pk, reason=UNSTATED_REASON, now=clock().now(), actor=operator_of(request))
        tell(request, done=len(queryset), what="partners stopped", problems=[])

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Partner]) -> None:
        """Let setpoints go to them again."""
        for partner in queryset:
            resume_partner(partner_id=partner.pk, reason=UNSTATED_REASON, now=clock().now(), actor=operator_of(request))
        tell(request, done=len(queryset), what="partners resumed", problems=[])


@admin.register(CongestionArea)
class CongestionAreaAdmin(RegisterAdmin):
    list_display = ("name", "code", "grid_operator", "postcodes")
    search_fields = ("name", "code")


@admin.register(AggregationEan)
class AggregationEanAdmin(RegisterAdmin):
    list_display = ("name", "ean", "congestion_area", "autonomy", "reliability", "price_eur_per_mwh")
    list_filter = ("congestion_area", "autonomy")
    search_fields = ("name", "ean")

    def get_readonly_fields(self, request: HttpRequest, obj: AggregationEan | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django's signature
        """A group's EAN is its identity: it is chosen once."""
        return ("ean",) if obj else ()


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    show_change_link = True
    can_delete = False


class AssetStateInline(TabularInline):
    model = AssetState
    extra = 0
    can_delete = False
    readonly_fields = ("at", "power_w", "level_wh", "is_plugged_in", "is_available")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """States come from partners."""
        return False


@admin.register(Asset)
class AssetAdmin(RegisterAdmin):
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
    inlines = (AssetStateInline, MembershipInline)


@admin.register(Membership)
class MembershipAdmin(RegisterAdmin):
    list_display = ("asset", "aggregation_ean", "period")
    list_filter = ("aggregation_ean",)
    list_select_related = ("asset", "aggregation_ean")
    search_fields = ("asset__external_id",)
    autocomplete_fields = ("asset", "aggregation_ean")


@admin.register(ChargingSession)
class ChargingSessionAdmin(RegisterAdmin):
    list_display = ("external_id", "asset", "plug_in_at", "plug_out_at", "energy_wh", "declared_departure_at")
    list_filter = (("plug_out_at", admin.EmptyFieldListFilter), "asset__category")
    list_select_related = ("asset",)
    search_fields = ("external_id", "asset__external_id")
    autocomplete_fields = ("asset",)
    date_hierarchy = "plug_in_at"
    show_full_result_count = False
    readonly_fields = ("known_at", "driver_token")

    def save_model(self, request: HttpRequest, obj: ChargingSession, form: ModelForm, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Note when we learnt it."""
        obj.known_at = clock().now()
        super().save_model(request, obj, form, change)


@admin.register(AssetState)
class AssetStateAdmin(HistoryAdmin):
    list_display = ("asset", "at", "power_w", "level_wh", "is_plugged_in", "is_available")
    list_filter = ("is_plugged_in", "is_available", "asset__kind")
    list_select_related = ("asset",)
    search_fields = ("asset__external_id",)


@admin.register(SetpointBatch)
class SetpointBatchAdmin(HistoryAdmin):
    list_display = ("id", "partner", "aggregation_ean", "order_reference", "reason", "revision", "created_at")
    list_filter = ("partner", "aggregation_ean")
    list_select_related = ("partner", "aggregation_ean")
    search_fields = ("order_reference", "reason")


@admin.register(Setpoint)
class SetpointAdmin(HistoryAdmin):
    list_display = ("asset", "batch", "starts_at", "ends_at", "status", "result_reason")
    list_filter = ("status", "batch__partner")
    list_select_related = ("asset", "batch")
    search_fields = ("asset__external_id", "batch__order_reference")
