from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from bidding.markets.afrr.bids import Agreement, AgreementKind, InvalidBid, require_within_terms
from tests.unit.bidding.markets.afrr.samples import TERMS, UP


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mrid": ""}, "'' cannot be the mRID of a bid: give 1 to 60 visible ASCII"),
        ({"mrid": "a b"}, "'a b' cannot be"),
        ({"mrid": "a\n"}, "cannot be the mRID"),
        ({"mrid": "é"}, "cannot be the mRID"),
        ({"mrid": "x" * 61}, "cannot be the mRID"),
        ({"mrid": None}, "None cannot be"),
        ({"ptu": UP.ptu + timedelta(minutes=1)}, "Bid up-1 is for no PTU: .*those are at :00, :15"),
        ({"ptu": UP.ptu.replace(tzinfo=None)}, "Bid up-1 is for no PTU: .* has no time zone"),
        ({"direction": "up"}, r"goes 'up': give reduce \(up\) or increase \(down\)"),
        ({"power_w": 1e6}, "is of 1000000.0 W: give a whole number"),
        ({"power_w": True}, "is of True W"),
        ({"price_eur_per_mwh": 12.34}, r"asks 12.34 EUR/MWh: give a Decimal"),
        ({"price_eur_per_mwh": Decimal("NaN")}, "asks Decimal"),
    ],
)
def test_what_is_no_bid_is_named(changes, says):
    with pytest.raises(InvalidBid, match=says):
        replace(UP, **changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"power_w": 1_500_000}, "is of 1500000 W: give a multiple of 1000000 W of at least 1000000 W, or 0 to take"),
        ({"power_w": -1_000_000}, "is of -1000000 W"),
        ({"price_eur_per_mwh": Decimal("15000.01")}, "asks 15000.01 EUR/MWh: give a price from -15000 to 15000"),
        ({"price_eur_per_mwh": Decimal("-15000.01")}, "asks -15000.01 EUR/MWh"),
        ({"price_eur_per_mwh": Decimal("1E+999999")}, r"asks 1E\+999999 EUR/MWh"),
        ({"price_eur_per_mwh": Decimal("0.005")}, "asks 0.005 EUR/MWh: round it to steps of 0.01"),
        ({"price_eur_per_mwh": Decimal("1E-999999")}, "round it to steps of 0.01"),
    ],
)
def test_what_the_terms_do_not_allow_is_named(changes, says):
    with pytest.raises(InvalidBid, match=says):
        require_within_terms(replace(UP, **changes), TERMS)


@pytest.mark.parametrize("price", ["-15000", "15000.00", "0.01", "0", "-0.00", "1.230000"])
@pytest.mark.parametrize("power_w", [0, 1_000_000, 999_000_000])
def test_the_terms_allow_all_whole_megawatts_and_cents_within_the_limits(power_w, price):
    require_within_terms(replace(UP, power_w=power_w, price_eur_per_mwh=Decimal(price)), TERMS)


def test_an_agreement_has_a_name():
    with pytest.raises(InvalidBid, match="mRID of an agreement"):
        Agreement(AgreementKind.DAILY, "")
