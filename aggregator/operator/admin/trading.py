"""The terms on which bids are made: prices, policies, mandates and duties."""

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from aggregator.core.services import clock
from aggregator.operator.admin.base import HistoryAdmin, RegisterAdmin, operator_of
from aggregator.operator.display import TO
from bidding.models import (
    BidDutyContract,
    DayAheadPrice,
    Mandate,
    OrderChange,
    OutdoorTemperature,
    PricingPolicy,
    SurplusOrder,
)


class TermsAdmin(RegisterAdmin):
    """Terms that hold from a moment on: a change is a new row, so what held when is never lost."""

    list_filter = ("aggregation_ean",)
    list_select_related = ("aggregation_ean", "entered_by")
    search_fields = ("aggregation_ean__ean", "aggregation_ean__name")
    ordering = ("aggregation_ean", "-active_from")
    exclude = ("entered_by", "entered_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody changes what held; add new terms instead."""
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the terms of the group that are in force, if the page was asked for one."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"active_from": clock().now(), **initial}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form, whose terms are entered now by whoever is at the screen; from now on at the earliest."""
        form: type[ModelForm[Any]] = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            return form
        now, person = clock().now(), operator_of(request)

        class Entered(form):  # type: ignore[valid-type, misc]  # a form made for this request
            def clean(self) -> Any:
                cleaned = super().clean()
                self.instance.entered_at, self.instance.entered_by = now, person
                begins = self.cleaned_data.get("active_from")
                if begins and begins < now and (now - begins).total_seconds() < GRACE_SECONDS:
                    self.cleaned_data["active_from"] = now
                return cleaned

            def _get_validation_exclusions(self) -> set[str]:
                excluded: set[str] = super()._get_validation_exclusions()
                return excluded - {"entered_at"}

        return Entered


GRACE_SECONDS = 3600
"""A form that was opened within the last hour means "from now on", not a change of the past."""


@admin.register(PricingPolicy)
class PricingPolicyAdmin(TermsAdmin):
    list_display = (
        "aggregation_ean", "active_from", "rebound_hours", "rebound_share", "wear_eur_per_kwh", "drivers_eur_per_mwh",
        "margin_eur_per_mwh", "entered_by",
    )  # fmt: skip


@admin.register(Mandate)
class MandateAdmin(TermsAdmin):
    list_display = (
        "aggregation_ean", "active_from", "automatic_up_to_w", "automatic_up_to_eur", "hours", "two_people_above_w",
        "two_people_above_eur",
    )  # fmt: skip

    @admin.display(description="Hours")
    def hours(self, mandate: Mandate) -> str:
        """Show when bids go out by themselves."""
        if mandate.automatic_from is None or mandate.automatic_until is None:
            return "any"
        return f"{mandate.automatic_from:%H:%M}{TO}{mandate.automatic_until:%H:%M}"


@admin.register(BidDutyContract)
class BidDutyContractAdmin(RegisterAdmin):
    list_display = ("contract_id", "aggregation_ean", "facility_type", "active_from", "active_until")
    list_filter = ("aggregation_ean",)
    list_select_related = ("aggregation_ean",)
    search_fields = ("contract_id", "aggregation_ean__ean")


@admin.register(DayAheadPrice)
class DayAheadPriceAdmin(HistoryAdmin):
    """Prices come in with `manage.py import_day_ahead_prices`."""

    list_display = ("starts_at", "price_eur_per_mwh", "known_at", "source")
    list_filter = ("source",)
    date_hierarchy = "starts_at"
    ordering = ("-starts_at", "-known_at")


@admin.register(OutdoorTemperature)
class OutdoorTemperatureAdmin(HistoryAdmin):
    """Temperatures come in with `manage.py import_outdoor_temperatures`."""

    list_display = ("starts_at", "celsius", "known_at", "source")
    list_filter = ("source",)
    date_hierarchy = "starts_at"
    ordering = ("-starts_at", "-known_at")


@admin.register(OrderChange)
class OrderChangeAdmin(HistoryAdmin):
    list_display = ("asked_at", "bid", "power_w", "price_eur_per_mwh", "status", "asked_by", "answer")
    list_filter = ("status",)
    list_select_related = ("bid", "asked_by")
    search_fields = ("bid__reference",)
    date_hierarchy = "asked_at"


@admin.register(SurplusOrder)
class SurplusOrderAdmin(HistoryAdmin):
    """What the exchange has beside a bid's own order; it is withdrawn by itself."""

    list_display = ("found_at", "bid", "order_id", "cleared_power_w", "is_final")
    list_filter = ("is_final",)
    list_select_related = ("bid",)
    search_fields = ("order_id", "bid__reference")
    date_hierarchy = "found_at"
