"""The demo's called contract: one group's grid operator limits it over UFTP, on the evening of the redispatch."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from aggregator.core.models import OutboxMessage
from aggregator.demo.stage import UFTP_CLIENT_ID, UFTP_DOMAIN, Stage
from assets.simulator.portfolio import HOMES
from bidding.models import Activation
from bidding.uftp.last_key import CHANNEL

CONTRACT_ID = "CLC-A-2026-0017"
OPERATOR_DOMAIN = "uftp.netbeheer.example"
CALLED_AT = "15:20"
"""Before the congestion is announced; a real call comes the day before, at 08:00."""
LIMIT_KW = 130
VOLUME_W = 200_000


def make_key(stage: Stage) -> Callable[[], str]:
    """Begin to make the key that the service signs with; return what waits for its public half."""
    end = stage.begin("manage.py", "uftp_keypair", "--json")
    return lambda: str(json.loads(end())["public_key"])


def scenario_parameters(stage: Stage, public_key: str) -> dict[str, Any]:
    """Return what the mock market must know of us and of the contract."""
    return {
        "contract_id": CONTRACT_ID,
        "contract_ean": HOMES.ean,
        "contract_power_kw": LIMIT_KW,
        "called_at": CALLED_AT,
        "dso_domain": OPERATOR_DOMAIN,
        "aggregator_domain": UFTP_DOMAIN,
        "aggregator_endpoint": stage.uftp_endpoint,
        "aggregator_public_key": public_key,
        "client_id": UFTP_CLIENT_ID,
        "client_secret": stage.uftp_secret,
    }


def enter_contract(stage: Stage, *, day: date) -> Callable[[], str]:
    """Begin to enter the contract as an operator does; its grid operator comes from the address book."""
    return stage.begin(
        "manage.py", "contract", "--id", CONTRACT_ID, "--dso", OPERATOR_DOMAIN, "--kind", "CLC-A",
        "--aggregation-ean", HOMES.ean, "--volume-w", str(VOLUME_W), "--price-eur-per-mwh", "120.00",
        "--availability-fee-eur-per-month", "1500.00", "--penalty-eur-per-mwh", "240.00",
        "--window-starts", "16:00", "--window-ends", "21:00", "--call-days-before", "0", "--call-until", "16:00",
        "--active-from", day.replace(month=1, day=1).isoformat(),
    )  # fmt: skip


def is_taken_on(stage: Stage) -> bool:
    """Tell whether the call is a duty of ours and the grid operator has our word for it."""
    return (
        Activation.objects.filter(contract_call__contract__contract_id=CONTRACT_ID).exists()
        and not OutboxMessage.objects.filter(channel=CHANNEL, delivered_at__isnull=True).exists()
        and [call["state"] for call in stage.control("GET", "uftp/calls")] == ["CONFIRMED"]
    )
