import pytest

from aggregator.core.messaging.inbox import DuplicateIdentifier, receive
from aggregator.core.models import InboxMessage
from tests.integration.core.outgoing import START


@pytest.mark.django_db
def test_a_received_message_is_stored_once_and_a_second_content_refused():
    arguments = {"now": START, "channel": "uftp", "sender": "dso.nl", "message_id": "1"}
    _, first = receive(**arguments, body=b"one")
    _, second = receive(**arguments, body=b"one")
    assert (first, second, InboxMessage.objects.count()) == (True, False, 1)
    with pytest.raises(DuplicateIdentifier, match="with other content"):
        receive(**arguments, body=b"two")
