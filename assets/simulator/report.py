"""What every driver got, what every setpoint became, and the true power of each aggregation EAN."""

from collections import Counter
from typing import Any

import numpy as np

from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.documents import instant, ptu_starts, session_name, wh
from assets.simulator.faults import PHYSICAL, Faults
from assets.simulator.following import Judgement
from assets.simulator.inbox import ReceivedBatch
from assets.simulator.portfolio import Portfolio
from assets.simulator.sessions import Floats
from assets.simulator.world import SessionOutcome, World

SERVED_WITHIN_KWH = 0.1


def build_report(
    *,
    portfolio: Portfolio,
    world: World,
    undisturbed: World,
    outcomes: list[SessionOutcome],
    batches: list[ReceivedBatch],
    judgements: list[Judgement],
    faults: Faults,
) -> dict[str, Any]:
    """Return the report; `undisturbed` is the same world without any setpoint, at the same moment."""
    ptus = (world.now - world.starts_at) // PTU_SECONDS
    drivers = _drivers(portfolio=portfolio, world=world, outcomes=outcomes)
    drivers["by_fault"] = _by_fault(world, outcomes, faults)
    return {
        "simulated_until": instant(world.now),
        "drivers": drivers,
        "setpoints": _setpoints(batches, judgements),
        "ptu_starts": [instant(at) for at in ptu_starts(world.starts_at, 0, ptus).tolist()],
        "power_by_aggregation_ean": _power_by_group(portfolio, world.metered_kwh[:, :ptus]),
        "undisturbed_power_by_aggregation_ean": _power_by_group(portfolio, undisturbed.metered_kwh[:, :ptus]),
        "sessions": _sessions(portfolio, world, outcomes),
    }


def _drivers(*, portfolio: Portfolio, world: World, outcomes: list[SessionOutcome]) -> dict[str, Any]:
    category = [asset.category for _, asset in portfolio.assets()]
    groups: dict[str, list[SessionOutcome]] = {"all": outcomes}
    for outcome in outcomes:
        groups.setdefault(category[int(world.sessions.asset[outcome.row])], []).append(outcome)
    summaries = {name: _summary(members) for name, members in groups.items()}
    return {**summaries.pop("all"), "by_category": summaries}


def _by_fault(world: World, outcomes: list[SessionOutcome], faults: Faults) -> dict[str, Any]:
    """Return what drivers got at assets with each physical fault, with the number of such assets."""
    rows: dict[str, Any] = {}
    for fault in PHYSICAL:
        has = faults.has(fault)
        hit = [outcome for outcome in outcomes if has[int(world.sessions.asset[outcome.row])]]
        if has.any():
            rows[fault] = {"assets": int(has.sum()), **_summary(hit)}
    return rows


def _summary(outcomes: list[SessionOutcome]) -> dict[str, Any]:
    return {
        "sessions": len(outcomes),
        "served": sum(outcome.missing_kwh <= SERVED_WITHIN_KWH for outcome in outcomes),
        "charged_kwh": round(sum(outcome.charged_kwh for outcome in outcomes), 3),
        "discharged_kwh": round(sum(outcome.discharged_kwh for outcome in outcomes), 3),
        "unserved_kwh": round(sum(outcome.missing_kwh for outcome in outcomes), 3),
    }


def _setpoints(batches: list[ReceivedBatch], judgements: list[Judgement]) -> dict[str, int]:
    answers = [answer for batch in batches for answer in batch.answers]
    verdicts = Counter(judgement.is_followed for judgement in judgements)
    return {
        "received": len(answers),
        "accepted": sum(not answer.reason for answer in answers),
        "rejected": sum(bool(answer.reason) for answer in answers),
        "followed": verdicts[True],
        "not_followed": verdicts[False],
    }


def _power_by_group(portfolio: Portfolio, metered_kwh: Floats) -> dict[str, list[int]]:
    """Return the mean net power of each group in each PTU, in W."""
    ean = np.array([asset.aggregation_ean for _, asset in portfolio.assets()])
    net_kw = (metered_kwh[0] - metered_kwh[1]) * 3600 / PTU_SECONDS
    return {
        group.ean: [wh(power) for power in net_kw[:, ean == group.ean].sum(axis=1).tolist()]
        for group in portfolio.groups
    }


def _sessions(portfolio: Portfolio, world: World, outcomes: list[SessionOutcome]) -> list[dict[str, Any]]:
    sessions = world.sessions
    assets = list(portfolio.assets())
    rows = []
    for outcome in outcomes:
        partner, asset = assets[int(sessions.asset[outcome.row])]
        rows.append(
            {
                "partner": partner.key,
                "asset": asset.external_id,
                "external_id": session_name(sessions, outcome.row),
                "plug_out_at": instant(int(sessions.plug_out[outcome.row])),
                "charged_wh": wh(outcome.charged_kwh),
                "discharged_wh": wh(outcome.discharged_kwh),
                "unserved_wh": wh(outcome.missing_kwh),
            }
        )
    return rows
