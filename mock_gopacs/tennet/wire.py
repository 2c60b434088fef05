"""The JSON documents of the played TenneT: to BSPs decimals are text and instants in UTC, to control as elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from mock_gopacs.models import Bsp, PoolMeasurement
from mock_gopacs.tennet.activation import KILOWATT, Activation
from mock_gopacs.tennet.cycles import cycle_of
from mock_gopacs.tennet.ladder import Direction, merit_order
from mock_gopacs.tennet.settling import SettledPtu
from mock_gopacs.tennet.signal import Signal
from mock_gopacs.wire import epoch_ms, number


def signal_document(signal: Signal) -> dict[str, Any]:
    """Return a setpoint."""
    setpoint = signal.delta_setpoint_mw
    return {
        "sequence": signal.sequence,
        "at": _instant(signal.at),
        "delta_setpoint_mw": str(setpoint.quantize(KILOWATT) if setpoint.is_finite() else setpoint),
        "is_valid": signal.is_valid,
    }


def settlement_document(day: date, periods: Iterable[SettledPtu]) -> dict[str, Any]:
    """Return the settlement of a day."""
    return {"day": day.isoformat(), "is_final": True, "periods": [_period_document(period) for period in periods]}


def merit_order_document(
    ptu: datetime, *, cycle: int, activation: Activation, bsps: Sequence[Bsp], gate_at: datetime, now: datetime
) -> dict[str, Any]:
    """Return a PTU's merit order, with what the demand of one cycle takes of it."""
    offers = activation.offers.get(cycle_of(ptu), ())
    taken = {offer.key: volume for offer, volume in activation.clearing(cycle).taken}
    unavailable = activation.unavailable(cycle)
    offered = {
        (bsp.pk, direction): sum(
            (offer.quantity_mw for offer in offers if (offer.bsp, offer.direction) == (bsp.pk, direction)), Decimal(0)
        )
        for bsp in bsps
        for direction in Direction
    }
    return {
        "startsAt": epoch_ms(ptu),
        "gateClosesAt": epoch_ms(gate_at),
        "frozen": now >= gate_at,
        "demandMw": number(activation.demand_mw(cycle)),
        **{
            direction.name.lower(): [
                {
                    "party": offer.bsp,
                    "mRID": offer.mrid,
                    "quantityMw": number(offer.quantity_mw),
                    "price": number(offer.price_eur_per_mwh),
                    "available": offer.bsp not in unavailable,
                    "activatedMw": number(taken.get(offer.key, Decimal(0))),
                }
                for offer in merit_order(offers, direction)
            ]
            for direction in Direction
        },
        "contractedShortfallMw": {
            bsp.pk: {
                "up": number(max(bsp.contracted_up_mw - offered[bsp.pk, Direction.UP], Decimal(0))),
                "down": number(max(bsp.contracted_down_mw - offered[bsp.pk, Direction.DOWN], Decimal(0))),
            }
            for bsp in bsps
        },
    }


def measurement_document(row: PoolMeasurement) -> dict[str, Any]:
    """Return a measurement as it was sent, and when it came."""
    return {
        "id": row.pk,
        "party": row.bsp_id,
        "receivedAt": epoch_ms(row.received_at),
        "at": _instant(row.at),
        "reference_mw": str(row.reference_mw),
        "measured_mw": str(row.measured_mw),
        "available_up_mw": str(row.available_up_mw),
        "available_down_mw": str(row.available_down_mw),
        "is_in_control": row.is_in_control,
    }


def _period_document(period: SettledPtu) -> dict[str, Any]:
    texts = {name: str(value) for name, value in asdict(period).items() if isinstance(value, Decimal)}
    return {"position": period.position, "starts_at": _instant(period.starts_at), **texts}


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
