"""Runs inside the peer's own environment: a grid operator made of the package's client and service.

It reads requests as base64 XML from stdin, one a line, sends each with the package's client, accepts what it is
offered and orders it. After the word `forged` a request is signed with a key nobody knows. Every message it receives,
and every refusal of one it sent, is printed as one JSON line. Imports nothing of ours.

Arguments: its port, our address, our public key, the UFTP version.
"""

import base64
import json
import logging
import sys
import uuid
from typing import Any

from nacl.bindings import crypto_sign_seed_keypair
from shapeshifter_uftp import ShapeshifterDsoService, transport
from shapeshifter_uftp.exceptions import ClientTransportException
from shapeshifter_uftp.uftp import AcceptedRejected, FlexOfferResponse, FlexOrder, FlexOrderISP

logging.getLogger("shapeshifter-uftp").handlers.clear()  # it would print whole messages
logging.getLogger("shapeshifter-uftp").setLevel(logging.CRITICAL)
logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
PORT, ADDRESS, PUBLIC_KEY, VERSION = sys.argv[1:]
PRIVATE_KEY, UNKNOWN_KEY = (base64.b64encode(crypto_sign_seed_keypair(seed * 32)[1]).decode() for seed in (b"p", b"f"))
DOMAIN = "dso.example.com"
TELL, sys.stdout = sys.stdout, sys.stderr  # the package's web server logs to standard output


def tell(message: Any) -> None:
    xml = base64.b64encode(transport.to_xml(message).encode()).decode()
    tell_line(type=type(message).__name__, xml=xml)


def tell_line(**values: Any) -> None:
    TELL.write(json.dumps(values) + "\n")
    TELL.flush()


class Operator(ShapeshifterDsoService):
    """Accepts and orders every offer; tells of everything."""

    def process_flex_offer(self, message: Any) -> None:
        tell(message)
        client = self._get_client(message.sender_domain, "AGR", VERSION)
        client.send_flex_offer_response(
            FlexOfferResponse(
                flex_offer_message_id=message.message_id,
                conversation_id=message.conversation_id,
                result=AcceptedRejected.ACCEPTED,
            )
        )
        option = message.offer_options[0]
        client.send_flex_order(
            FlexOrder(
                isp_duration=message.isp_duration,
                time_zone=message.time_zone,
                period=message.period,
                congestion_point=message.congestion_point,
                conversation_id=message.conversation_id,
                flex_offer_message_id=message.message_id,
                contract_id=message.contract_id,
                price=option.price,
                currency=message.currency,
                order_reference=str(uuid.uuid4()),
                option_reference=option.option_reference,
                isps=[FlexOrderISP(power=i.power, start=i.start, duration=i.duration) for i in option.isps],
            )
        )


for name in Operator.__abstractmethods__:
    setattr(Operator, name, lambda _self, message: tell(message))
Operator.__abstractmethods__ = frozenset()

operator = Operator(
    sender_domain=DOMAIN,
    signing_key=PRIVATE_KEY,
    key_lookup_function=lambda _domain, _role: PUBLIC_KEY,
    endpoint_lookup_function=lambda _domain, _role: ADDRESS,
    host="127.0.0.1",
    port=int(PORT),
    version=VERSION,
)
with operator:
    tell_line(type="ready")
    for line in sys.stdin:
        *forged, request = line.split()
        client = operator._get_client("agr.example.com", "AGR", VERSION)
        client.signing_key = UNKNOWN_KEY if forged else PRIVATE_KEY
        try:
            client._send_message(transport.from_xml(base64.b64decode(request)))
        except ClientTransportException as refusal:
            tell_line(type="refused", status=refusal.response.status_code)
