"""What a grid operator says: the request of a call, the choice among an offer's options, and the order."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU, ptu_number, ptu_range
from bidding.markets.uftp import messages as m
from bidding.markets.uftp.powers import PowerMeaning, confirming_power_w
from bidding.markets.uftp.vocabulary import Disposition
from mock_gopacs.models import Call, CallContract, Congestion

PowerRange = tuple[int, int]


def request_for(call: Call, *, message_id: str, now: datetime, expires_at: datetime) -> m.FlexRequest:
    """Return the request that opens a call: one ISP element per PTU of its window."""
    low_w, high_w = asked_range(call.contract, call.power_w)
    return m.FlexRequest(
        **_metadata(call, message_id, now),
        **_day(call),
        revision=1,
        expires_at=expires_at,
        contract_id=call.contract_id,
        isps=tuple(
            m.FlexRequestIsp(
                disposition=Disposition.REQUESTED, min_power_w=low_w, max_power_w=high_w, start=ptu_number(ptu)
            )
            for ptu in ptu_range(Interval(call.starts_at, call.ends_at))
        ),
    )


def asked_range(contract: CallContract, power_w: int) -> PowerRange:
    """Return MinPower and MaxPower of a call.

    A limit stands on the side of the congestion: at most so much off-take, or at most so much feed-in. A deviation
    goes against it: less off-take, or less feed-in (more off-take).
    """
    is_limit = contract.power_meaning == PowerMeaning.LIMIT
    is_off_take = contract.congestion == Congestion.OFF_TAKE
    return (0, power_w) if is_limit == is_off_take else (-power_w, 0)


def suitable_option(
    offer: m.FlexOffer, request: m.FlexRequest, *, meaning: PowerMeaning, highest_price: Decimal
) -> m.OfferOption | None:
    """Return the cheapest option that gives all that was requested for the contract's price or less.

    It must cover exactly the requested ISPs. A limit may be tighter than asked, a deviation must be the whole one.
    """
    wanted = {
        ptu: (isp.min_power_w, isp.max_power_w) if meaning is PowerMeaning.LIMIT else 2 * (confirming_power_w(isp),)
        for isp in request.isps
        for ptu in range(isp.start, isp.start + isp.duration)
    }
    fitting = [option for option in offer.options if option.price <= highest_price and _gives(option.isps, wanted)]
    return min(fitting, key=lambda option: option.price, default=None)


def order_for(call: Call, offer: m.FlexOffer, option: m.OfferOption, *, message_id: str, now: datetime) -> m.FlexOrder:
    """Return the order of one option of an offer, word for word what was offered."""
    return m.FlexOrder(
        **_metadata(call, message_id, now),
        **_day(call),
        flex_offer_message_id=offer.message_id,
        contract_id=call.contract_id,
        price=option.price,
        currency=offer.currency,
        order_reference=f"{call.contract_id}-{message_id[:8]}",
        option_reference=option.option_reference,
        isps=option.isps,
        unsolicited=None if call.contract.version.startswith("3.0.") else False,
    )


def _gives(isps: Iterable[m.PowerIsp], wanted: dict[int, PowerRange]) -> bool:
    given = {ptu: isp.power_w for isp in isps for ptu in range(isp.start, isp.start + isp.duration)}
    return given.keys() == wanted.keys() and all(low <= given[ptu] <= high for ptu, (low, high) in wanted.items())


def _metadata(call: Call, message_id: str, now: datetime) -> dict[str, Any]:
    return {
        "version": call.contract.version,
        "sender_domain": call.contract.dso_id,
        "recipient_domain": call.contract.aggregator_id,
        "time_stamp": now,
        "message_id": message_id,
        "conversation_id": str(call.conversation_id),
    }


def _day(call: Call) -> dict[str, Any]:
    return {
        "isp_duration": PTU,
        "time_zone": str(MARKET_ZONE),
        "period": call.starts_at.astimezone(MARKET_ZONE).date(),
        "congestion_point": call.contract.congestion_point,
    }
