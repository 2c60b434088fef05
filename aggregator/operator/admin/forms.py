"""Forms of the operator pages. They judge by the same rules as the API and the CSV import."""

from typing import Any

from django import forms
from django.conf import settings
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
)

from aggregator.core.ptu import ptu_start
from aggregator.core.services import clock
from aggregator.core.units import WATT_PER_KILOWATT
from aggregator.operator.admin.reasons import ReasonForm
from aggregator.operator.display import moment
from assets.models import Asset, ChargingSession, Membership
from assets.validation import kinds
from assets.validation.rows import InvalidRows, RowError, RowKind
from bidding.models import Announcement, Bid
from bidding.operations import bids
from bidding.queries import groups_asked, newest_announcements

LARGEST_KW = 1_000_000_000
"""More than any grid carries; a number with a few digits too many gets a word instead of a failure."""


class RuledForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A form whose row must pass the rules that partners' rows pass."""

    kind: RowKind
    instead: dict[str, Any] = {}  # what the rules know in another form than ours

    def clean(self) -> dict[str, Any] | None:
        """Put every broken rule at its field, in the rule's own words."""
        cleaned = super().clean()
        values = self.cleaned_data
        row = {name: values[name] for name in self.kind.names if name in values} | self.instead
        try:
            self.judge(self.kind.read([row]))
        except InvalidRows as refused:
            for error in refused.errors:
                if not self.has_error(error.field):
                    self.add_error(error.field if error.field in self.fields else None, error.message)
        return cleaned

    def judge(self, columns: dict[str, list[Any]]) -> None:
        """Raise `InvalidRows` for what the kind's own rules do not know."""


class AssetForm(RuledForm):
    """An asset as an operator registers or corrects it."""

    kind = kinds.ASSET

    class Meta:
        model = Asset
        fields = "__all__"  # noqa: DJ007 - the admin names the fields


class ChargingSessionForm(RuledForm):
    """A charging session as an operator registers or corrects it."""

    kind = kinds.SESSION

    class Meta:
        model = ChargingSession
        fields = "__all__"  # noqa: DJ007 - the admin names the fields

    def clean(self) -> dict[str, Any] | None:
        """Judge the session by the rules for reported sessions; those name the asset by its text."""
        asset = self.cleaned_data.get("asset")
        self.instead = {"asset": asset.external_id if asset else "?"}
        return super().clean()

    def judge(self, columns: dict[str, list[Any]]) -> None:
        """Refuse what has not happened yet."""
        errors: list[RowError] = list(kinds.in_the_future(columns, "plug_in_at", "plug_out_at", now=clock().now()))
        if errors:
            raise InvalidRows(errors)


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """An asset joins a group for a period in Dutch time."""

    starts_at = forms.SplitDateTimeField(
        label="From", widget=UnfoldAdminSplitDateTimeWidget, help_text="On a quarter hour, Dutch time."
    )
    ends_at = forms.SplitDateTimeField(
        label="Until, not including",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Leave empty while it lasts.",
    )

    class Meta:
        model = Membership
        fields = ("asset", "aggregation_ean")

    def clean(self) -> dict[str, Any] | None:
        """Make the period, on quarter hours and not empty; the overlap rule is checked with the model's others."""
        cleaned = super().clean()
        starts_at, ends_at = self.cleaned_data.get("starts_at"), self.cleaned_data.get("ends_at")
        for name, instant in (("starts_at", starts_at), ("ends_at", ends_at)):
            if instant and ptu_start(instant) != instant:
                self.add_error(name, kinds.MEMBERSHIP_OFF_GRID)
        if starts_at and ends_at and ends_at <= starts_at:
            self.add_error("ends_at", "The membership ends before it starts. Check both moments.")
        if not self.errors:
            self.instance.period = DateTimeTZRange(starts_at, ends_at)
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """Let the model's rules about the period be checked, though the form asks for it in two parts."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # not in the stubs
        return excluded if self.errors else excluded - {"period"}


class EndMembershipForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """An asset leaves its group; asset, group and start of a membership are history."""

    ends_at = forms.SplitDateTimeField(
        label="Until, not including", widget=UnfoldAdminSplitDateTimeWidget, help_text="On a quarter hour, Dutch time."
    )
    reason = forms.CharField(widget=UnfoldAdminTextareaWidget, help_text="Kept in the audit trail with your name.")

    class Meta:
        model = Membership
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.period:
            self.fields["ends_at"].initial = self.instance.period.upper


class BidForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A bid an operator makes: what and for how much; the rest follows from announcement and group."""

    power_kw = forms.IntegerField(
        label="Power (kW)",
        min_value=1,
        max_value=LARGEST_KW,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="At least the group's minimum, in its steps: usually hundreds of kW.",
    )

    class Meta:
        model = Bid
        fields = ("announcement", "aggregation_ean", "price_eur_per_mwh")
        labels = {"price_eur_per_mwh": "Price (€ per MWh)"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "announcement" in self.fields:
            still_open = newest_announcements().filter(
                is_open=True, starts_at__gt=clock().now() + settings.EXCHANGE_GATE
            )
            field = self.fields["announcement"]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - a foreign key's field
            field.queryset = still_open
            field.label_from_instance = _announcement_label  # type: ignore[assignment, method-assign]  # documented
            field.help_text = "Open calls whose gate has not closed."

    def clean(self) -> dict[str, Any] | None:
        """Complete the bid with what follows; `bids.propose_by_hand` judges it when it is saved."""
        cleaned = super().clean()
        announcement, group = self.cleaned_data.get("announcement"), self.cleaned_data.get("aggregation_ean")
        if announcement and group and group not in groups_asked([announcement])[announcement]:
            message = "This group cannot help with the announcement. Choose one in the area that it is about."
            self.add_error("aggregation_ean", message)
        if not self.errors:
            bids.fill_in(
                bid=self.instance,
                announcement=self.cleaned_data["announcement"],
                aggregation_ean=self.cleaned_data["aggregation_ean"],
                power_w=self.cleaned_data["power_kw"] * WATT_PER_KILOWATT,
                price_eur_per_mwh=self.cleaned_data["price_eur_per_mwh"],
                now=clock().now(),
            )
        return cleaned


class ChangeOrderForm(ReasonForm):
    """What an order in the book should become."""

    power_kw = forms.IntegerField(
        label="Power (kW)",
        min_value=1,
        max_value=LARGEST_KW,
        help_text="At most what it is now.",
        widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}),
    )
    price_eur_per_mwh = forms.DecimalField(
        label="Price (€ per MWh)",
        max_digits=6,
        decimal_places=2,
        help_text="What we receive; negative to pay.",
        widget=UnfoldAdminDecimalFieldWidget,
    )
    field_order = ("power_kw", "price_eur_per_mwh", "reason")


def _announcement_label(announcement: Announcement) -> str:
    return (
        f"{announcement.congestion_area or 'outside our areas'}, {moment(announcement.starts_at)} to "
        f"{moment(announcement.ends_at)}, {announcement.get_direction_display().lower()} "
        f"({announcement.external_id}, revision {announcement.revision})"
    )
