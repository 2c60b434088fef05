"""Rules for a FlexRequest, and for what follows it against what it refers to."""

from collections.abc import Iterator
from decimal import Decimal

from bidding.markets.uftp import messages as m
from bidding.markets.uftp.case import Case
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.reasons import Reason
from bidding.markets.uftp.vocabulary import Disposition


def request_rule(case: Case) -> Iterator[str]:
    """A request asks for something, in one direction, within bounds that are bounds."""
    requested = [isp for isp in case.message.isps if isp.disposition is Disposition.REQUESTED]
    if not requested:
        yield Reason.NOTHING_REQUESTED
    # Limits of import and export at once are no contradiction; deviations in both directions are.
    if case.agreement.power_meaning is PowerMeaning.DELTA and any(
        isp.min_power_w < 0 < isp.max_power_w for isp in requested
    ):
        yield Reason.NO_DIRECTION
    if any(isp.min_power_w > isp.max_power_w for isp in case.message.isps):
        yield Reason.MIN_ABOVE_MAX


def offer_rule(case: Case) -> Iterator[str]:
    """An offer says what it is, has tellable options and payable prices, and fits its request."""
    offer: m.FlexOffer = case.message
    if _solicitation_contradicts(offer, offer.flex_request_message_id):
        yield Reason.OFFER_UNSOLICITED
    if len({option.option_reference for option in offer.options}) < len(offer.options):
        yield Reason.OPTIONS_NOT_UNIQUE
    digits = case.agreement.currency_digits.get(offer.currency)
    if digits is None:
        yield Reason.OFFER_CURRENCY
    elif any(option.price % Decimal(1).scaleb(-digits) for option in offer.options):
        yield Reason.OFFER_PRICE
    if isinstance(case.records.reference, m.FlexRequest):
        yield from _offer_against_request(case, case.records.reference)


def _offer_against_request(case: Case, request: m.FlexRequest) -> Iterator[str]:
    offer: m.FlexOffer = case.message
    if offer.period != request.period:
        yield Reason.PERIOD_MISMATCH
    if case.is_over(request.expires_at):
        yield Reason.REFERENCE_EXPIRED
    if offer.congestion_point != request.congestion_point:
        yield Reason.CONGESTION_POINT
    requested = {(isp.start, isp.duration) for isp in request.isps if isp.disposition is Disposition.REQUESTED}
    offered = {(isp.start, isp.duration) for option in offer.options for isp in option.isps}
    if not requested & offered:
        yield Reason.OFFER_MISSES_REQUEST


def revocation_rule(case: Case) -> Iterator[str]:
    """Only an offer that was accepted, still stands and was not ordered can be revoked."""
    if isinstance(case.records.reference, m.FlexOffer):
        if not case.records.accepted:
            yield Reason.NOT_ACCEPTED
        if case.records.revoked:
            yield Reason.REFERENCE_REVOKED
        if case.records.ordered:
            yield Reason.ALREADY_ORDERED


def order_rule(case: Case) -> Iterator[str]:
    """An order takes exactly one option of a live offer, unless unsolicited orders were agreed."""
    order: m.FlexOrder = case.message
    if _solicitation_contradicts(order, order.flex_offer_message_id):
        yield Reason.ORDER_UNSOLICITED
    if order.flex_offer_message_id is None and not case.agreement.unsolicited_orders:
        yield Reason.ORDER_UNSOLICITED_NOT_AGREED
    if isinstance(case.records.reference, m.FlexOffer):
        yield from _order_against_offer(case, case.records.reference)


def _order_against_offer(case: Case, offer: m.FlexOffer) -> Iterator[str]:
    order: m.FlexOrder = case.message
    if order.period != offer.period:
        yield Reason.PERIOD_MISMATCH
    if case.is_over(offer.expires_at):
        yield Reason.REFERENCE_EXPIRED
    if case.records.revoked:
        yield Reason.REFERENCE_REVOKED
    if case.records.ordered:
        yield Reason.ALREADY_ORDERED
    if order.congestion_point != offer.congestion_point:
        yield Reason.CONGESTION_POINT
    if order.contract_id is not None and order.contract_id != offer.contract_id:
        yield Reason.UNKNOWN_CONTRACT
    if order.currency != offer.currency:
        yield Reason.ORDER_CURRENCY
    option = chosen_option(order, offer)
    if option is None:
        yield Reason.UNKNOWN_OPTION
    else:
        yield from _order_against_option(order, option)


def _order_against_option(order: m.FlexOrder, option: m.OfferOption) -> Iterator[str]:
    ordered = sorted((isp.start, isp.duration, isp.power_w) for isp in order.isps)
    offered = sorted((isp.start, isp.duration, isp.power_w) for isp in option.isps)
    if [isp[:2] for isp in ordered] != [isp[:2] for isp in offered]:
        yield Reason.ORDER_ISPS
    elif ordered != offered:
        yield Reason.ORDER_POWER
    if order.price != option.price:
        yield Reason.ORDER_PRICE
    if order.activation_factor < option.min_activation_factor:
        yield Reason.ORDER_ACTIVATION_FACTOR


def chosen_option(order: m.FlexOrder, offer: m.FlexOffer) -> m.OfferOption | None:
    """Return the option that an order takes; it need not name it when there is only one. `None` when it is unclear."""
    if not order.option_reference:
        return offer.options[0] if len(offer.options) == 1 else None
    named = [option for option in offer.options if option.option_reference == order.option_reference]
    return named[0] if len(named) == 1 else None


def _solicitation_contradicts(message: m.FlexOffer | m.FlexOrder, reference_id: str | None) -> bool:
    """From 3.1.0 a message says whether it is unsolicited; 3.0.0 leaves it to the absence of a reference."""
    says_so = not message.version.startswith("3.0.")
    return says_so and bool(message.unsolicited) != (reference_id is None)
