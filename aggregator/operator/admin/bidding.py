from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import TabularInline

from aggregator.core.services import clock
from aggregator.operator.admin.base import UNSTATED_REASON, HistoryAdmin, operator_of, tell
from bidding.dispatch.operations import NotStoppable, stop_activation
from bidding.models import (
    Activation,
    ActivationPtu,
    Announcement,
    BaselineNomination,
    Bid,
    Commitment,
    LedgerEntry,
    NoBid,
)
from bidding.operations import bids
from bidding.services import exchange


class _ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Made by the service."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Made by the service."""
        return False


class ActivationPtuInline(_ReadOnlyInline):
    model = ActivationPtu
    fields = ("ptu_start", "ordered_w")


class BidForm(ModelForm):
    """A bid an operator makes: what and for how much; the rest follows from announcement and group."""

    class Meta:
        model = Bid
        fields = ("announcement", "aggregation_ean", "power_w", "price_eur_per_mwh")

    def clean(self) -> dict[str, Any] | None:
        """Hold the bid against the product's rules before anything is written."""
        cleaned = super().clean()
        if not self.errors:
            bids.fill_in(bid=self.instance, now=clock().now(), **self.cleaned_data)
        return cleaned


@admin.register(Bid)
class BidAdmin(HistoryAdmin):
    list_display = (
        "starts_at", "ends_at", "aggregation_ean", "direction", "power_w", "price_eur_per_mwh", "reliability", "status",
        "cleared_power_w",
    )  # fmt: skip
    list_filter = ("status", "aggregation_ean", "direction")
    list_select_related = ("aggregation_ean",)
    search_fields = ("reference", "exchange_order_id", "aggregation_ean__ean")
    date_hierarchy = "starts_at"
    actions = ("approve", "refuse", "withdraw")
    form = BidForm

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        """An operator may offer by hand."""
        return super(HistoryAdmin, self).has_add_permission(request)

    def get_fields(self, request: HttpRequest, obj: Bid | None = None) -> Any:  # noqa: ARG002 - Django's signature
        """Ask four things for a new bid; show everything of an old one."""
        if obj is None:
            return BidForm.Meta.fields
        return [field.name for field in Bid._meta.fields]  # noqa: SLF001 - Django's documented API

    def save_model(self, request: HttpRequest, obj: Bid, form: ModelForm, change: bool) -> None:  # noqa: ARG002, FBT001 - Django's signature
        """Propose the bid; it goes out when approved."""
        try:
            bids.propose_by_hand(bid=obj, now=clock().now(), actor=operator_of(request))
        except IntegrityError as error:
            raise ValidationError("Another bid holds this power or answers this announcement already.") from error

    @admin.action(description="Approve: send to the exchange", permissions=["view"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Bid]) -> None:
        """Let proposed bids go out."""
        self._each(request, queryset, "bids approved", lambda bid: bids.approve(
            bid_id=bid.pk, exchange=exchange(), now=clock().now(), actor=operator_of(request)
        ))  # fmt: skip

    @admin.action(description="Refuse", permissions=["view"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[Bid]) -> None:
        """Drop proposed bids."""
        self._each(request, queryset, "bids refused", lambda bid: bids.refuse(
            bid_id=bid.pk, now=clock().now(), actor=operator_of(request), reason=UNSTATED_REASON
        ))  # fmt: skip

    @admin.action(description="Withdraw what is not cleared", permissions=["view"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Bid]) -> None:
        """Take orders out of the book."""
        self._each(request, queryset, "withdrawals asked", lambda bid: bids.withdraw(
            bid_id=bid.pk, exchange=exchange(), now=clock().now(), actor=operator_of(request), reason=UNSTATED_REASON
        ))  # fmt: skip

    def _each(self, request: HttpRequest, queryset: QuerySet[Bid], what: str, act: Callable[[Bid], object]) -> None:
        problems = []
        done = 0
        for bid in queryset:
            try:
                act(bid)
                done += 1
            except (bids.NotInState, bids.GateClosed) as refusal:
                problems.append(f"{bid}: {refusal}")
        tell(request, done=done, what=what, problems=problems)


@admin.register(Activation)
class ActivationAdmin(HistoryAdmin):
    list_display = ("reference", "aggregation_ean", "direction", "starts_at", "ends_at", "status", "hold_reason")
    list_filter = ("status", "aggregation_ean")
    list_select_related = ("aggregation_ean",)
    search_fields = ("reference",)
    date_hierarchy = "starts_at"
    inlines = (ActivationPtuInline,)
    actions = ("stop",)

    @admin.action(description="Stop steering for it now", permissions=["view"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Activation]) -> None:
        """Let every asset go back to its own ways."""
        for activation in queryset:
            try:
                stop_activation(
                    activation_id=activation.pk, now=clock().now(), actor=operator_of(request), reason=UNSTATED_REASON
                )
                messages.success(request, f"{activation} is stopped.")
            except NotStoppable as refusal:
                messages.error(request, f"{activation}: {refusal}")


@admin.register(Announcement)
class AnnouncementAdmin(HistoryAdmin):
    list_display = (
        "external_id",
        "revision",
        "congestion_area",
        "direction",
        "starts_at",
        "ends_at",
        "is_open",
        "known_at",
    )
    list_filter = ("congestion_area", "direction", "is_open", "is_mandatory")
    list_select_related = ("congestion_area",)
    search_fields = ("external_id",)
    date_hierarchy = "starts_at"


@admin.register(NoBid)
class NoBidAdmin(HistoryAdmin):
    list_display = ("decided_at", "aggregation_ean", "announcement", "reason")
    list_filter = ("aggregation_ean",)
    list_select_related = ("aggregation_ean", "announcement")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(HistoryAdmin):
    list_display = ("ptu_start", "aggregation_ean", "direction", "sellable_w", "committed_w")
    list_filter = ("aggregation_ean", "direction")
    list_select_related = ("aggregation_ean",)
    date_hierarchy = "ptu_start"


@admin.register(Commitment)
class CommitmentAdmin(HistoryAdmin):
    list_display = ("entry", "bid", "power_w", "committed_at", "released_at")
    list_filter = (("released_at", admin.EmptyFieldListFilter),)
    list_select_related = ("entry", "bid")


@admin.register(BaselineNomination)
class BaselineNominationAdmin(HistoryAdmin):
    list_display = ("ptu_start", "aggregation_ean", "power_w", "known_at")
    list_filter = ("aggregation_ean",)
    list_select_related = ("aggregation_ean",)
    date_hierarchy = "ptu_start"
