"""Runs inside the peer's own environment: the package shapeshifter-uftp as an aggregator, on our mock market.

Takes its settings as JSON on the command line, plays until its standard input closes, and then says as JSON what it
met. Imports nothing of ours.
"""

import json
import logging
import sys
import uuid
from datetime import datetime, timezone

import requests
import shapeshifter_uftp as s
from shapeshifter_uftp import AcceptedRejected, ShapeshifterAgrDsoClient, ShapeshifterAgrService
from shapeshifter_uftp.exceptions import ClientTransportException
from shapeshifter_uftp.oauth import OAuthClient

logging.getLogger("shapeshifter-uftp").handlers.clear()  # it would print whole messages
logging.getLogger("shapeshifter-uftp").setLevel(logging.CRITICAL)
SETTINGS = json.loads(sys.argv[1])
met: list[str] = []


def client(key: str = SETTINGS["private_key"]) -> ShapeshifterAgrDsoClient:
    market = SETTINGS["market"]
    token_url = f"{market}/realms/gopacs/protocol/openid-connect/token"
    return ShapeshifterAgrDsoClient(
        sender_domain=SETTINGS["domain"],
        signing_key=key,
        recipient_domain=SETTINGS["dso"],
        recipient_endpoint=f"{market}/shapeshifter/api/v3/message",
        oauth_client=OAuthClient(token_url, SETTINGS["client_id"], SETTINGS["client_secret"]),
        version="3.0.0",
    )


broker = client()


def dso_key(domain: str, _role: str) -> str:
    with broker.oauth_client.ensure_authenticated():
        answer = requests.get(
            f"{SETTINGS['market']}/uftp-participants/v3/participants/{domain}",
            headers=broker.oauth_client.auth_header,
            timeout=20,
        )
    return answer.json()["publicKey"]


def in_conversation(message: object, of: object) -> object:
    message.conversation_id = of.conversation_id
    return message


class Aggregator(ShapeshifterAgrService):
    """Accepts every request, offers what it asks, accepts every order."""

    def process_flex_request(self, message: s.FlexRequest) -> None:
        met.append("FlexRequest")
        accepted = s.FlexRequestResponse(flex_request_message_id=message.message_id, result=AcceptedRejected.ACCEPTED)
        broker.send_flex_request_response(in_conversation(accepted, message))
        isps = [
            s.FlexOfferOptionISP(power=isp.max_power or isp.min_power, start=isp.start, duration=isp.duration)
            for isp in message.isps
        ]
        offer = s.FlexOffer(
            isp_duration=message.isp_duration, period=message.period, congestion_point=message.congestion_point,
            expiration_date_time=message.expiration_date_time, flex_request_message_id=message.message_id,
            contract_id=message.contract_id,
            offer_options=[s.FlexOfferOption(option_reference=str(uuid.uuid4()), price=0.0, isps=isps)],
        )  # fmt: skip
        broker.send_flex_offer(in_conversation(offer, message))

    def process_flex_offer_response(self, message: s.FlexOfferResponse) -> None:
        met.append(f"FlexOfferResponse {message.result} {message.rejection_reason or ''}".strip())

    def process_flex_order(self, message: s.FlexOrder) -> None:
        met.append("FlexOrder")
        accepted = s.FlexOrderResponse(flex_order_message_id=message.message_id, result=AcceptedRejected.ACCEPTED)
        broker.send_flex_order_response(in_conversation(accepted, message))

    def _not_played(self, message: object) -> None:
        met.append(type(message).__name__)

    process_d_prognosis_response = _not_played
    process_flex_offer_revocation_response = _not_played
    process_flex_reservation_update = _not_played
    process_flex_settlement = _not_played
    process_metering_response = _not_played
    process_agr_portfolio_query_response = _not_played
    process_agr_portfolio_update_response = _not_played


def refusal(attempt: ShapeshifterAgrDsoClient, message: object) -> str:
    try:
        attempt.send_test_message(message)
    except ClientTransportException as error:
        return f"{error.response.status_code} {error.response.text}"
    return "taken"


def main() -> None:
    service = Aggregator(
        sender_domain=SETTINGS["domain"],
        signing_key=SETTINGS["private_key"],
        key_lookup_function=dso_key,
        endpoint_lookup_function=lambda _domain, _role: SETTINGS["market"],
        host="127.0.0.1",
        port=SETTINGS["port"],
    )
    with service:
        sys.stdin.read()
    stamped = s.TestMessage(message_id=str(uuid.uuid4()), time_stamp=datetime.now(timezone.utc).isoformat())  # noqa: UP017 - as the peer writes it
    report = {
        "met": met,
        "first": refusal(client(), stamped),
        "again": refusal(client(), stamped),
        "forged": refusal(client(SETTINGS["other_key"]), s.TestMessage()),
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
