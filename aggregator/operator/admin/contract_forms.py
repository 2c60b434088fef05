"""Forms about contracts with grid operators."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from unfold.widgets import UnfoldAdminTextInputWidget

from aggregator.operator.admin.reasons import ReasonForm
from bidding.markets.uftp.vocabulary import Role
from bidding.models import Contract


class ContractForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A contract with a grid operator that is known: entered, or found in its address book."""

    offered_shares = SimpleArrayField(
        forms.DecimalField(max_digits=3, decimal_places=2, min_value=Decimal("0.01"), max_value=1),
        initial="1",
        widget=UnfoldAdminTextInputWidget,
        help_text="Parts of a request, such as 1,0.5: an option in our offers for each. Below 1 for deviations only.",
    )

    class Meta:
        model = Contract
        fields = "__all__"  # noqa: DJ007 - all are the contract's terms
        labels = {
            "contract_id": "Contract id",
            "dso": "Grid operator",
            "aggregation_ean": "Group",
            "congestion_point": "EAN in the calls",
            "zero_side": "A limit of 0 W is for",
            "availability_fee_eur_per_month": "Availability fee (€ per month)",
        }
        help_texts = {"zero_side": ""}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "dso" in self.fields:
            operators = self.fields["dso"]
            assert isinstance(operators, forms.ModelChoiceField)  # noqa: S101 - a foreign key's field
            assert operators.queryset is not None  # noqa: S101 - same
            operators.queryset = operators.queryset.filter(role=Role.DSO.value)
            operators.help_text = "Missing? Enter it first, with manage.py uftp_participant."
            self.fields["congestion_point"].required = False
            self.fields["congestion_point"].help_text = "Empty: the group's own."

    def clean_congestion_point(self) -> Any:
        """Take the group's EAN when the operator names no other."""
        group = self.cleaned_data.get("aggregation_ean")
        return self.cleaned_data["congestion_point"] or (group.ean if group else None)


class EndContractForm(ReasonForm):
    """The last day on which a contract can be called."""

    last_day = forms.DateField(label="Last day", widget=forms.DateInput(attrs={"type": "date", "autofocus": True}))
    field_order = ("last_day", "reason")
