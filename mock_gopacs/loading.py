"""Puts a scenario into the tables, in one transaction, after emptying them."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.apps import apps
from django.db import transaction

from mock_gopacs.models import (
    Announcement,
    Clearing,
    ForcedOutcome,
    Market,
    Order,
    Participant,
    Registration,
)
from mock_gopacs.models.market import fingerprint
from mock_gopacs.order_form import GATE_BEFORE_START
from mock_gopacs.scenario import AnnouncementPlan, ForeignOrderPlan, ParticipantPlan, Scenario
from mock_gopacs.scenario_values import InvalidScenario
from mock_gopacs.tennet.loading import load_tennet
from mock_gopacs.uftp.loading import load_uftp

SCENARIOS = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load has put in place."""

    name: str
    announcement_ids: list[str]
    participant_ids: list[str]
    foreign_order_count: int
    contract_ids: list[str]


def document_named(name: str) -> dict[str, Any]:
    """Return a scenario file of this package; raises `InvalidScenario` when there is none of that name."""
    known = {path.stem: path for path in SCENARIOS.glob("*.yaml")}
    if name not in known:
        raise InvalidScenario(f"There is no scenario {name!r}: known are {sorted(known)}.")
    return with_base(yaml.safe_load(known[name].read_text(encoding="utf-8")))


def with_base(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document on top of the scenario it is `based_on`, if it names one.

    Its parts replace those of the base; parameters and settings are joined one by one.
    """
    own = dict(document)
    if "based_on" not in own:
        return own
    base = document_named(str(own.pop("based_on")))
    joined = {part: {**(base.get(part) or {}), **(own.get(part) or {})} for part in ("parameters", "settings")}
    return {**base, **own, **joined}


@transaction.atomic
def reset() -> None:
    """Empty every table, the log and the fault switches included. Keys go on counting, so none is given twice."""
    Market.objects.select_for_update().first()  # waits for the step or order that is under way
    for model in apps.get_app_config("mock_gopacs").get_models():
        model._default_manager.all().delete()  # noqa: SLF001 - the documented manager of any model


@transaction.atomic
def load(scenario: Scenario) -> Loaded:
    """Replace everything by this scenario."""
    reset()
    Market.objects.create(
        scenario=scenario.name,
        seed=scenario.seed,
        minimum_dwell=scenario.minimum_dwell,
        lock_duration=scenario.lock_duration,
        solver_time_limit_seconds=scenario.solver_time_limit_seconds,
        after_change=scenario.after_change,
        token_lifetime=scenario.uftp.token_lifetime,
        address_book_v2_status=scenario.uftp.address_book_v2_status,
    )
    for plan in scenario.participants:
        _create_participant(plan)
    load_uftp(scenario.uftp)
    load_tennet(scenario.tennet)
    announcement_ids = [_create_announcement(plan, scenario) for plan in scenario.announcements]
    _create_foreign_orders(scenario)
    ForcedOutcome.objects.bulk_create(
        ForcedOutcome(ean=ean, cleared_share=share) for ean, share in scenario.forced_outcomes
    )
    return Loaded(
        name=scenario.name,
        announcement_ids=announcement_ids,
        participant_ids=[str(plan.participant_id) for plan in scenario.participants],
        foreign_order_count=len(scenario.foreign_orders),
        contract_ids=[plan.contract_id for plan in scenario.uftp.contracts],
    )


def _create_participant(plan: ParticipantPlan) -> None:
    participant = Participant.objects.create(
        id=plan.participant_id,
        name=plan.name,
        api_key_sha256=fingerprint(plan.api_key),
        gopacs_api_key_sha256=fingerprint(plan.gopacs_api_key) if plan.gopacs_api_key else None,
        webhook_url=plan.webhook_url,
        webhook_token=plan.webhook_token,
    )
    Registration.objects.bulk_create(
        Registration(ean=ean, participant=participant, postcode=postcode) for ean, postcode in plan.registrations
    )


def _create_announcement(plan: AnnouncementPlan, scenario: Scenario) -> str:
    announcement = Announcement.objects.create(
        organisation_name=plan.organisation,
        message=plan.message,
        area_name=plan.area_name,
        congested_postcodes=list(plan.postcodes),
        congestion=plan.congestion,
        compliance_type=plan.compliance_type,
        publish_at=plan.publish_at,
        starts_at=plan.period.starts_at,
        ends_at=plan.period.ends_at,
        required_mw=list(plan.required_mw),
        remaining_mw=list(plan.required_mw),
        maximum_spread_eur_per_mwh=plan.maximum_spread_eur_per_mwh,
        updated_at=plan.publish_at,
    )
    Clearing.objects.bulk_create(
        Clearing(announcement=announcement, locks_at=moment - scenario.lock_duration, clears_at=moment)
        for moment in plan.clears_at
    )
    return str(announcement.id)


def _create_foreign_orders(scenario: Scenario) -> None:
    if not scenario.foreign_orders:
        return
    foreign = Participant.objects.create(id=uuid.UUID(int=scenario.seed % 2**128), name="other market parties")
    Registration.objects.bulk_create(
        Registration(ean=plan.ean, participant=foreign, postcode=plan.postcode) for plan in scenario.foreign_orders
    )
    Order.objects.bulk_create(_foreign_order(plan, foreign) for plan in scenario.foreign_orders)


def _foreign_order(plan: ForeignOrderPlan, foreign: Participant) -> Order:
    return Order(
        participant=foreign,
        side=plan.side,
        ean=plan.ean,
        quantity_mw=plan.quantity_mw,
        price_eur_per_mwh=plan.price_eur_per_mwh,
        starts_at=plan.period.starts_at,
        ends_at=plan.period.ends_at,
        expires_at=plan.period.starts_at - GATE_BEFORE_START,
        market_based=True,
        status=Order.Status.SCHEDULED,
        placed_at=plan.placed_at,
        updated_at=plan.placed_at,
    )
