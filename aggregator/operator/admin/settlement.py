from django.contrib import admin
from unfold.admin import TabularInline

from aggregator.operator.admin.base import HistoryAdmin
from settlement.models import Delivery, DeliveryPtu, Statement, StatementLine


class DeliveryPtuInline(TabularInline):
    model = DeliveryPtu
    fields = ("ptu_start", "ordered_w", "baseline_w", "metered_w", "delivered_w")
    readonly_fields = fields
    extra = 0
    can_delete = False


class StatementLineInline(TabularInline):
    model = StatementLine
    fields = ("partner", "aggregation_ean", "delivered_wh", "amount_eur")
    readonly_fields = fields
    extra = 0
    can_delete = False


@admin.register(Delivery)
class DeliveryAdmin(HistoryAdmin):
    list_display = (
        "activation",
        "version",
        "baseline_method",
        "ordered_wh",
        "delivered_wh",
        "completeness",
        "calculated_at",
    )
    list_select_related = ("activation",)
    search_fields = ("activation__reference",)
    inlines = (DeliveryPtuInline,)


@admin.register(Statement)
class StatementAdmin(HistoryAdmin):
    list_display = ("starts_at", "ends_at", "version", "total_eur", "issued_at")
    date_hierarchy = "starts_at"
    inlines = (StatementLineInline,)


@admin.register(DeliveryPtu)
class DeliveryPtuAdmin(HistoryAdmin):
    list_display = ("ptu_start", "delivery", "ordered_w", "baseline_w", "metered_w", "delivered_w")
    list_select_related = ("delivery",)
    date_hierarchy = "ptu_start"


@admin.register(StatementLine)
class StatementLineAdmin(HistoryAdmin):
    list_display = ("statement", "partner", "aggregation_ean", "delivered_wh", "amount_eur")
    list_filter = ("partner", "aggregation_ean")
    list_select_related = ("statement", "partner", "aggregation_ean")
