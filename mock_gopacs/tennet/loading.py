"""Puts the aFRR part of a scenario into the tables, within the load of the whole."""

from dataclasses import asdict

from mock_gopacs.models import AfrrTerms, Bsp, DemandChange, EnergyBid
from mock_gopacs.models.market import fingerprint
from mock_gopacs.tennet.plans import BspPlan, TennetPlan

OTHERS = "0000000000000"
"""The party that stands for all competitors; it has no key, and its connection is never lost."""


def load_tennet(plan: TennetPlan) -> None:
    """Create the terms, the BSPs, the competitors' bids and the demand."""
    AfrrTerms.objects.create(**asdict(plan.terms))
    Bsp.objects.bulk_create(_bsp(entry) for entry in plan.bsps)
    if plan.competitors:
        Bsp.objects.create(party_id=OTHERS, name="other BSPs", prequalified_up_mw=0, prequalified_down_mw=0)
    EnergyBid.objects.bulk_create(
        EnergyBid(
            bsp_id=OTHERS,
            mrid=f"other-{number}",
            starts_at=bid.ptu,
            direction=bid.direction.value,
            quantity_mw=bid.quantity_mw,
            price_eur_per_mwh=bid.price_eur_per_mwh,
        )
        for number, bid in enumerate(plan.competitors, start=1)
    )
    DemandChange.objects.bulk_create(DemandChange(at=at, mw=mw) for at, mw in plan.demand)


def _bsp(plan: BspPlan) -> Bsp:
    values = asdict(plan)
    return Bsp(api_key_sha256=fingerprint(values.pop("api_key")), **values)
