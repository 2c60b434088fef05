from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from aggregator.core.services import clock
from aggregator.core.units import WATT_PER_KILOWATT
from aggregator.operator.admin.base import HistoryAdmin, ReadOnlyInline, RegisterAdmin, operator_of
from aggregator.operator.admin.columns import Column, window
from aggregator.operator.admin.forms import BidForm, ChangeOrderForm
from aggregator.operator.admin.reasons import ReasonForm, with_reason
from aggregator.operator.balancing import balancing_view
from aggregator.operator.explanation import explained, priced
from bidding.models import (
    Announcement,
    BalancingBid,
    BalancingHeadroom,
    BalancingPtu,
    BalancingSignal,
    BaselineNomination,
    Bid,
    Commitment,
    LedgerEntry,
    NoBid,
    OrderChange,
    SurplusOrder,
)
from bidding.operations import approvals, balancing_bids, bids, order_changes
from bidding.services import exchange, tennet

Market = TypeVar("Market")


def _configured(request: HttpRequest, market: Callable[[], Market]) -> Market | None:
    """Return a market; without one, say what to configure and return None."""
    try:
        return market()
    except ImproperlyConfigured as error:
        messages.error(request, str(error))
        return None


class CommitmentInline(ReadOnlyInline):
    model = Commitment
    fields = ("entry__ptu_start", "power_w", "committed_at", "released_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Commitment]:
        """Fetch the entries with them."""
        rows: QuerySet[Commitment] = super().get_queryset(request).select_related("entry")
        return rows


class OrderChangeInline(ReadOnlyInline):
    model = OrderChange
    fields = ("asked_at", "power_w", "price_eur_per_mwh", "status", "reason", "asked_by", "answer")


class SurplusOrderInline(ReadOnlyInline):
    model = SurplusOrder
    fields = ("order_id", "found_at", "cleared_power_w", "is_final")


class ExplainedAdmin(HistoryAdmin):
    """Rows that carry their explanation."""

    readonly_fields: tuple[str, ...] = ("why",)

    @admin.display(description="Why")
    def why(self, row: Bid | NoBid) -> str:
        """Show the explanation as people read it."""
        return explained(row.explanation)


@admin.register(Bid)
class BidAdmin(ExplainedAdmin, RegisterAdmin):
    """Bids are made, also by hand, and decided upon; what they say never changes."""

    list_display = (
        window, "aggregation_ean", "direction", "power_w", "price_eur_per_mwh", "status", "cleared_power_w",
    )  # fmt: skip
    list_filter = ("status", "aggregation_ean", "direction")
    list_select_related = ("aggregation_ean",)
    search_fields = ("reference", "exchange_order_id", "contract_id", "aggregation_ean__ean", "aggregation_ean__name")
    date_hierarchy = "starts_at"
    actions = ("approve", "refuse", "withdraw", "change_order")
    form = BidForm
    inlines = (OrderChangeInline, SurplusOrderInline, CommitmentInline)
    readonly_fields = ("price_made_of", "why")

    @admin.display(description="Price made of")
    def price_made_of(self, bid: Bid) -> str:
        """Show the parts of the price, and how each was calculated."""
        return priced(bid.price_parts, bid.price_eur_per_mwh)

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        """An operator may offer by hand."""
        return bool(super(HistoryAdmin, self).has_add_permission(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Column]:
        """Ask four things for a new bid; show everything of an old one."""
        if obj is None:
            return ("announcement", "aggregation_ean", "power_kw", "price_eur_per_mwh")
        return super().get_fields(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Sequence[Any]:
        """Show what the bid took from the ledger, once it did."""
        return super().get_inlines(request, obj) if obj else ()

    def store(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", *, change: bool) -> None:  # noqa: ARG002 - same for all
        """Propose the bid; it goes out when approved."""
        bids.propose_by_hand(bid=obj, now=clock().now(), actor=operator_of(request))

    @admin.action(description="Approve: send to the exchange", permissions=["act"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Bid]) -> HttpResponse | None:
        """Let proposed bids go out."""
        market, actor = _configured(request, exchange), operator_of(request)
        if market is None:
            return None

        def act(bid: Model, reason: str) -> None:
            approvals.approve(bid_id=bid.pk, exchange=market, now=clock().now(), actor=actor, reason=reason)

        return self._decide(request, queryset, "approve", "Approve these bids", "approved", act)

    @admin.action(description="Refuse", permissions=["act"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[Bid]) -> HttpResponse | None:
        """Drop proposed bids."""
        actor = operator_of(request)

        def act(bid: Model, reason: str) -> None:
            approvals.refuse(bid_id=bid.pk, now=clock().now(), actor=actor, reason=reason)

        return self._decide(request, queryset, "refuse", "Refuse these bids", "refused", act)

    @admin.action(description="Withdraw what is not cleared", permissions=["act"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Bid]) -> HttpResponse | None:
        """Take orders out of the book."""
        actor = operator_of(request)

        def act(bid: Model, reason: str) -> None:
            order_changes.withdraw(bid_id=bid.pk, now=clock().now(), actor=actor, reason=reason)

        return self._decide(request, queryset, "withdraw", "Withdraw these bids", "asked to be withdrawn", act)

    @admin.action(description="Change order: less power, or another price", permissions=["act"])
    def change_order(self, request: HttpRequest, queryset: QuerySet[Bid]) -> HttpResponse | None:
        """Ask the exchange to change orders in its book."""
        market, actor = _configured(request, exchange), operator_of(request)
        if market is None:
            return None

        def act(bid: Model, reason: str, *, power_kw: int, price_eur_per_mwh: Decimal) -> None:
            order_changes.change(
                bid_id=bid.pk,
                power_w=power_kw * WATT_PER_KILOWATT,
                price_eur_per_mwh=price_eur_per_mwh,
                exchange=market,
                now=clock().now(),
                actor=actor,
                reason=reason,
            )

        title = "Change the orders of these bids"
        return self._decide(
            request, queryset, "change_order", title, "asked to be changed", act, form_class=ChangeOrderForm
        )

    def _decide(  # noqa: PLR0917 - the parts of one sentence
        self,
        request: HttpRequest,
        queryset: QuerySet[Bid],
        action: str,
        title: str,
        done: str,
        act: Any,
        *,
        form_class: type[ReasonForm] = ReasonForm,
    ) -> HttpResponse | None:
        return with_reason(
            admin=self,
            request=request,
            queryset=queryset,
            action=action,
            title=title,
            done=done,
            act=act,
            refusals=(
                approvals.NotInState,
                approvals.GateClosed,
                approvals.AnotherPersonNeeded,
                approvals.SoldTheOtherWay,
                order_changes.ChangeRefused,
            ),
            form_class=form_class,
        )


@admin.register(Announcement)
class AnnouncementAdmin(HistoryAdmin):
    list_display = (
        "external_id",
        "revision",
        "congestion_area",
        "direction",
        window,
        "is_open",
        "is_withdrawn",
        "is_mandatory",
        "known_at",
    )
    list_filter = ("congestion_area", "direction", "is_open", "is_withdrawn", "is_mandatory")
    list_select_related = ("congestion_area",)
    search_fields = ("external_id", "congestion_area__name", "congestion_area__code")
    date_hierarchy = "starts_at"


@admin.register(NoBid)
class NoBidAdmin(ExplainedAdmin):
    list_display = ("decided_at", "aggregation_ean", "announcement", "reason", "contract_id")
    list_filter = ("aggregation_ean",)
    list_select_related = ("aggregation_ean", "announcement")
    search_fields = ("reason", "announcement__external_id")
    date_hierarchy = "decided_at"


@admin.register(BalancingHeadroom)
class BalancingHeadroomAdmin(HistoryAdmin):
    list_display = (
        "ptu_start", "aggregation_ean", "direction", "reliable_w", "free_w", "limited_by", "sized_at", "capacity_w",
    )  # fmt: skip
    list_filter = ("aggregation_ean", "direction")
    list_select_related = ("aggregation_ean",)
    search_fields = ("aggregation_ean__ean", "aggregation_ean__name")
    date_hierarchy = "ptu_start"

    def get_urls(self) -> list[URLPattern]:
        """Add the page that draws them."""
        view = self.admin_site.admin_view(lambda request: balancing_view(request, self))
        return [path("overview/", view, name="bidding_balancingheadroom_overview"), *super().get_urls()]


@admin.register(BalancingSignal)
class BalancingSignalAdmin(HistoryAdmin):
    list_display = ("at", "last_at", "cycles", "delta_w", "use", "why")
    list_filter = ("use",)
    date_hierarchy = "at"


@admin.register(BalancingPtu)
class BalancingPtuAdmin(HistoryAdmin):
    list_display = ("ptu_start", "requested_reduce_ws", "requested_increase_ws", "cycles", "lost_cycles")
    list_filter = (("ptu_start", admin.DateFieldListFilter),)
    date_hierarchy = "ptu_start"


class BalancingPartInline(ReadOnlyInline):
    model = Commitment
    fields = ("entry__aggregation_ean", "power_w", "committed_at", "released_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Commitment]:
        """Fetch the groups with them."""
        rows: QuerySet[Commitment] = super().get_queryset(request).select_related("entry__aggregation_ean")
        return rows


@admin.register(BalancingBid)
class BalancingBidAdmin(HistoryAdmin):
    """Bids are made by the service; people take them back."""

    list_display = ("ptu_start", "direction", "power_w", "price_eur_per_mwh", "status", "status_reason", "made_at")
    list_filter = ("status", "direction")
    search_fields = ("mrid", "document_mrid")
    date_hierarchy = "ptu_start"
    actions = ("take_back",)
    inlines = (BalancingPartInline,)

    @admin.action(description="Take back, before the gate", permissions=["act"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[BalancingBid]) -> HttpResponse | None:
        """Ask TenneT to forget bids."""
        market, actor = _configured(request, tennet), operator_of(request)
        if market is None:
            return None

        def act(bid: Model, reason: str) -> None:
            balancing_bids.take_back(bid_id=bid.pk, tennet=market, now=clock().now(), actor=actor, reason=reason)

        return with_reason(
            admin=self,
            request=request,
            queryset=queryset,
            action="take_back",
            title="Take these bids back",
            done="asked to be taken back",
            act=act,
            refusals=(approvals.NotInState, approvals.GateClosed),
        )


@admin.register(LedgerEntry)
class LedgerEntryAdmin(HistoryAdmin):
    list_display = ("ptu_start", "aggregation_ean", "direction", "sellable_w", "committed_w")
    list_filter = ("aggregation_ean", "direction")
    list_select_related = ("aggregation_ean",)
    search_fields = ("aggregation_ean__ean", "aggregation_ean__name")
    date_hierarchy = "ptu_start"


@admin.register(Commitment)
class CommitmentAdmin(HistoryAdmin):
    list_display = (
        "entry__ptu_start", "entry__aggregation_ean", "bid", "balancing_bid", "power_w", "committed_at", "released_at",
    )  # fmt: skip
    list_filter = (("released_at", admin.EmptyFieldListFilter), "entry__aggregation_ean")
    list_select_related = ("entry__aggregation_ean", "bid", "balancing_bid")
    search_fields = ("bid__reference", "bid__exchange_order_id")
    date_hierarchy = "committed_at"


@admin.register(BaselineNomination)
class BaselineNominationAdmin(HistoryAdmin):
    list_display = ("ptu_start", "aggregation_ean", "power_w", "known_at")
    list_filter = ("aggregation_ean",)
    list_select_related = ("aggregation_ean",)
    search_fields = ("bid__reference",)
    date_hierarchy = "ptu_start"
