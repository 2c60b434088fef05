"""The mock market as our service meets it: its processes, one contract, and what it wrote down."""

import time
from dataclasses import dataclass
from typing import Any

from tests.integration.mock_gopacs.market_process import MarketProcess

PATIENCE_SECONDS = 60
CONTRACT, MARKET_DSO = "CBC-1", "dso.example.com"
FINAL_STATES = {"CONFIRMED", "REFUSED", "DECLINED", "LAPSED", "REVOKED", "MISSED"}
LIFE_CYCLE = ["FlexRequest", "FlexRequestResponse", "FlexOffer", "FlexOfferResponse", "FlexOrder", "FlexOrderResponse"]


@dataclass(frozen=True, slots=True)
class CallingMarket:
    """A market that may call the contract, and our workers' round."""

    process: MarketProcess
    tick: Any

    def call(self, **changes: Any) -> None:
        body = {"contract_id": CONTRACT, "starts_at": "17:00", "ends_at": "20:00", **changes}
        self.process.control("POST", "uftp/calls", json=body)

    def operator_fault(self, kind: str, **more: Any) -> None:
        self.process.control("POST", "uftp/faults", json={"kind": kind, **more})

    def broker_fault(self, kind: str, path: str = "/shapeshifter", **more: Any) -> None:
        self.process.control("POST", "faults", json={"kind": kind, "path": path, **more})

    def state(self) -> str:
        return self.process.control("GET", "uftp/calls")[-1]["state"]

    def messages(self) -> list[dict[str, Any]]:
        return self.process.control("GET", "uftp/messages")

    def true_messages(self) -> list[str]:
        """Return what was said, without what faults made."""
        return [message["element"] for message in self.messages() if not message["fault"]]

    def play_to_the_end(self) -> str:
        """Let our workers and the market run until the call has its end and nothing waits; return that end."""

        def is_over() -> bool:
            return self.state() in FINAL_STATES and all(item["state"] != "waiting" for item in self.messages())

        self.until(is_over)
        self.tick()
        return self.state()

    def until(self, condition: Any) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < give_up_at, self.messages()
            self.tick()
            time.sleep(0.05)
