"""Contracts that hold without a call: each day becomes a duty the day before."""

import logging
from datetime import date, datetime, timedelta

from django.db import transaction

from aggregator.core.isolation import failing_alone
from aggregator.core.ptu import MARKET_ZONE
from bidding.models import Contract, ContractCall
from bidding.uftp.calls import NotAvailable, take_call
from bidding.uftp.demands import is_active, standing_demands

logger = logging.getLogger(__name__)


def open_days(*, now: datetime) -> int:
    """Take on what fixed-time contracts demand today and tomorrow, once a day each; return how many days were opened.

    A day whose power is sold elsewhere is reported and tried again in the next round: what was offered for redispatch
    may lapse, and the contract binds all the same. A day that fails is logged and holds up no other.
    """
    today = now.astimezone(MARKET_ZONE).date()
    opened = 0
    for contract in Contract.objects.filter(limit_w__isnull=False).order_by("pk"):
        for day in (today, today + timedelta(days=1)):
            with failing_alone(
                logger,
                "%s was not taken on for %s; it is tried again in the next round. Mend the cause, or keep its limit by "
                "hand: the contract binds all the same.",
                contract,
                day,
            ):
                opened += is_active(contract, day) and _opened(contract, day, now)
    return opened


def _opened(contract: Contract, day: date, now: datetime) -> bool:
    try:
        return _open(contract_id=contract.pk, day=day, now=now)
    except NotAvailable as error:
        logger.warning("%s cannot be kept on %s: %s", contract, day, error)
        return False


@transaction.atomic
def _open(*, contract_id: int, day: date, now: datetime) -> bool:
    contract = Contract.objects.select_for_update(of=("self",)).select_related("aggregation_ean").get(pk=contract_id)
    if contract.limit_w is None or not is_active(contract, day):  # changed or ended while others had their turn
        return False
    if ContractCall.objects.filter(contract=contract, day=day, message=None).exists():
        return False
    demands = standing_demands(day=day, limit_w=contract.limit_w, contract=contract, now=now)
    if not demands:
        return False
    take_call(
        contract=contract,
        order_reference=f"{contract.contract_id} {day}",
        day=day,
        message=None,
        offer=None,
        demands=demands,
        now=now,
    )
    return True
