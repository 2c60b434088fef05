from django.contrib import admin

from aggregator.operator.admin.base import HistoryAdmin
from aggregator.operator.admin.columns import window
from assets.models import AssetState, Setpoint, SetpointBatch


@admin.register(AssetState)
class AssetStateAdmin(HistoryAdmin):
    list_display = ("asset", "at", "power_w", "level_wh", "is_plugged_in", "is_available")
    list_filter = ("is_plugged_in", "is_available", "asset__kind", "asset__partner")
    list_select_related = ("asset",)
    search_fields = ("asset__external_id",)
    ordering = ("at",)  # the most silent first


@admin.register(SetpointBatch)
class SetpointBatchAdmin(HistoryAdmin):
    list_display = ("id", "partner", "aggregation_ean", "order_reference", "reason", "revision", "created_at")
    list_filter = ("partner", "aggregation_ean")
    list_select_related = ("partner", "aggregation_ean")
    search_fields = ("order_reference", "reason")
    date_hierarchy = "created_at"


@admin.register(Setpoint)
class SetpointAdmin(HistoryAdmin):
    list_display = ("asset", "batch", window, "power_w", "status", "result_reason")
    list_filter = ("status", "batch__partner", "asset__kind")
    list_select_related = ("asset", "batch")
    search_fields = ("asset__external_id", "batch__order_reference")
    date_hierarchy = "starts_at"
