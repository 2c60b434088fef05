from functools import partial

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path

from aggregator.operator.admin.base import HistoryAdmin, ReadOnlyInline
from aggregator.operator.balancing_settlement import adjustments_view, day_view, overview_view
from settlement.models import (
    BalancingSettlement,
    BalancingSettlementPtu,
    Delivery,
    DeliveryPtu,
    DeliveryShare,
    OperatorSettlement,
    Statement,
    StatementCharge,
    StatementLine,
)


class DeliveryPtuInline(ReadOnlyInline):
    model = DeliveryPtu
    fields = ("ptu_start", "ordered_w", "baseline_w", "metered_w", "delivered_w", "price_eur_per_mwh")


class DeliveryShareInline(ReadOnlyInline):
    model = DeliveryShare
    fields = ("partner", "paid_wh")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeliveryShare]:
        """Fetch the partners with them."""
        rows: QuerySet[DeliveryShare] = super().get_queryset(request).select_related("partner")
        return rows


class StatementLineInline(ReadOnlyInline):
    model = StatementLine
    fields = ("partner", "aggregation_ean", "delivered_wh", "amount_eur")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatementLine]:
        """Fetch the names with them."""
        rows: QuerySet[StatementLine] = super().get_queryset(request).select_related("partner", "aggregation_ean")
        return rows


class StatementChargeInline(ReadOnlyInline):
    model = StatementCharge
    fields = ("contract", "kind", "amount_eur")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatementCharge]:
        """Fetch the contracts with them."""
        rows: QuerySet[StatementCharge] = super().get_queryset(request).select_related("contract")
        return rows


@admin.register(OperatorSettlement)
class OperatorSettlementAdmin(HistoryAdmin):
    list_display = ("checked_at", "order_reference", "day", "their_net", "our_net_eur", "dispute_reason")
    list_filter = (("dispute_reason", admin.EmptyFieldListFilter), "message__participant")
    list_select_related = ("message",)
    search_fields = ("order_reference", "dispute_reason")
    date_hierarchy = "checked_at"


@admin.register(StatementCharge)
class StatementChargeAdmin(HistoryAdmin):
    list_display = ("statement", "contract", "kind", "amount_eur")
    list_filter = ("kind", "contract")
    list_select_related = ("statement", "contract")
    search_fields = ("contract__contract_id",)


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
    list_filter = ("activation__aggregation_ean", "activation__is_balancing", "baseline_method")
    list_select_related = ("activation",)
    search_fields = ("activation__reference",)
    date_hierarchy = "calculated_at"
    inlines = (DeliveryPtuInline,)


@admin.register(DeliveryPtu)
class DeliveryPtuAdmin(HistoryAdmin):
    list_display = (
        "ptu_start", "delivery", "ordered_w", "baseline_w", "metered_w", "delivered_w", "price_eur_per_mwh",
    )  # fmt: skip
    list_filter = ("delivery__activation__aggregation_ean",)
    list_select_related = ("delivery",)
    search_fields = ("delivery__activation__reference",)
    date_hierarchy = "ptu_start"
    inlines = (DeliveryShareInline,)


@admin.register(DeliveryShare)
class DeliveryShareAdmin(HistoryAdmin):
    list_display = ("ptu__ptu_start", "ptu__delivery", "partner", "paid_wh")
    list_filter = ("partner", "ptu__delivery__activation__aggregation_ean")
    list_select_related = ("ptu__delivery", "partner")
    search_fields = ("ptu__delivery__activation__reference",)


@admin.register(Statement)
class StatementAdmin(HistoryAdmin):
    list_display = ("starts_at", "ends_at", "version", "total_eur", "issued_at")
    list_filter = ("version",)
    date_hierarchy = "starts_at"
    inlines = (StatementLineInline, StatementChargeInline)


@admin.register(StatementLine)
class StatementLineAdmin(HistoryAdmin):
    list_display = ("statement", "partner", "aggregation_ean", "delivered_wh", "amount_eur")
    list_filter = ("partner", "aggregation_ean")
    list_select_related = ("statement", "partner", "aggregation_ean")
    search_fields = ("partner__name", "aggregation_ean__ean", "aggregation_ean__name")


@admin.register(BalancingSettlement)
class BalancingSettlementAdmin(HistoryAdmin):
    list_display = ("day", "version", "is_final", "received_at", "confirmed_at")
    list_filter = ("is_final",)
    date_hierarchy = "day"

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that set it beside meters and groups."""
        pages = (
            ("overview/", overview_view, "overview"),
            ("day/<str:day>/", day_view, "day"),
            ("day/<str:day>/by-brp.csv", adjustments_view, "adjustments"),
        )
        own = [
            path(
                address,
                self.admin_site.admin_view(partial(view, settlement_admin=self)),
                name=f"settlement_balancingsettlement_{name}",
            )
            for address, view, name in pages
        ]
        return [*own, *super().get_urls()]


@admin.register(BalancingSettlementPtu)
class BalancingSettlementPtuAdmin(HistoryAdmin):
    list_display = (
        "ptu_start",
        "settlement",
        "requested_reduce_mwh",
        "requested_increase_mwh",
        "price_reduce_eur_per_mwh",
        "price_increase_eur_per_mwh",
        "amount_eur",
        "penalty_eur",
    )
    list_filter = ("settlement__is_final",)
    list_select_related = ("settlement",)
    date_hierarchy = "ptu_start"
