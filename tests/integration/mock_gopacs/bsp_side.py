"""A BSP at the mock TenneT, and the scenario in which it bids."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from lxml import etree

from tests.bid_documents import BSP
from tests.integration.mock_gopacs.market_process import MarketProcess, scenario_document

STRANGER = "8712345000011"


def tennet_scenario(**part: Any) -> dict:
    """Ours may bid 20 MW up and 10 down; others bid 10 MW up at 80 and 10 down at 20 all day."""
    return scenario_document(
        tennet={
            "bsps": [
                {
                    "party_id": BSP, "name": "aggregator", "api_key": "bsp-key",
                    "prequalified_up_mw": 20, "prequalified_down_mw": 10, "contracted_up_mw": 6,
                },
                {
                    "party_id": STRANGER, "name": "stranger", "api_key": "stranger-key",
                    "prequalified_up_mw": 5, "prequalified_down_mw": 5,
                },
            ],
            "competitors": [
                {"direction": "up", "mw": 10, "price_eur_per_mwh": 80},
                {"direction": "down", "mw": 10, "price_eur_per_mwh": 20},
            ],
            **part,
        }
    )  # fmt: skip


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Bsp:
    market: MarketProcess
    key: str = "bsp-key"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"X-API-Key": self.key, **options.pop("headers", {})}
        return requests.request(method, f"{self.market.address}/tennet/{path}", headers=headers, timeout=20, **options)

    def send(self, body: bytes) -> requests.Response:
        return self.call("POST", "documents", data=body, headers={"Content-Type": "application/xml"})

    def codes(self, body: bytes) -> list[str]:
        """Send a document, and return the reason codes of its acknowledgement in order."""
        response = self.send(body)
        assert (response.status_code, response.headers["Content-Type"]) == (200, "application/xml"), response.text
        return reason_codes(response)

    def measure(self, at: datetime, **changes: Any) -> requests.Response:
        body = {
            "at": iso(at), "reference_mw": "-3.000", "measured_mw": "-3.000", "available_up_mw": "3",
            "available_down_mw": "1.5", "is_in_control": True, **changes,
        }  # fmt: skip
        return self.call("POST", "measurements", json=body)

    def setpoint(self) -> dict:
        response = self.call("GET", "setpoint")
        assert response.status_code == 200, response.text
        return response.json()


def reason_codes(response: requests.Response) -> list[str]:
    return [element.text or "" for element in etree.fromstring(response.content).iter("{*}code")]
