import pytest

from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp.envelope import BodyTooLarge, SignatureRefused
from bidding.markets.uftp.problems import InvalidMessage
from bidding.markets.uftp.transport import (
    ANSWERS,
    CONTENT_TYPE,
    Answer,
    Condition,
    Failure,
    Outcome,
    condition_of_error,
    condition_of_headers,
    outcome_of_status,
)


def test_every_condition_has_the_answer_of_the_specification():
    assert {condition: (answer.status, answer.failure) for condition, answer in ANSWERS.items()} == {
        Condition.RECEIVED: (200, None),
        Condition.NO_CONTENT_LENGTH: (411, Failure.PERMANENT),
        Condition.WRONG_CONTENT_TYPE: (400, Failure.PERMANENT),
        Condition.BODY_TOO_LARGE: (400, Failure.PERMANENT),
        Condition.NOT_VALID: (400, Failure.PERMANENT),
        Condition.SENDER_KEY_UNKNOWN: (419, Failure.TEMPORARY),
        Condition.SIGNATURE_WRONG: (401, Failure.PERMANENT),
        Condition.TOO_MANY_REQUESTS: (429, Failure.TEMPORARY),
        Condition.NOT_STORED: (503, Failure.TEMPORARY),
    }
    assert set(ANSWERS) == set(Condition)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=lambda answer: str(answer.status))
def test_sender_and_receiver_agree_on_what_can_heal(answer: Answer):
    expected = {None: Outcome.DELIVERED, Failure.TEMPORARY: Outcome.RETRY_LATER, Failure.PERMANENT: Outcome.GIVE_UP}
    assert outcome_of_status(answer.status) is expected[answer.failure]


@pytest.mark.parametrize(
    ("content_type", "content_length", "condition"),
    [
        (CONTENT_TYPE, "12", None),
        ("application/xml", "12", None),
        ("TEXT/XML; charset=UTF8", "12", None),
        ("text/xml; charset=iso-8859-1", "12", Condition.WRONG_CONTENT_TYPE),
        ("application/json", "12", Condition.WRONG_CONTENT_TYPE),
        (None, "12", Condition.WRONG_CONTENT_TYPE),
        (CONTENT_TYPE, None, Condition.NO_CONTENT_LENGTH),
        (CONTENT_TYPE, "", Condition.NO_CONTENT_LENGTH),
        (CONTENT_TYPE, "-1", Condition.NO_CONTENT_LENGTH),
    ],
)
def test_headers_are_checked_before_the_body(content_type, content_length, condition):
    assert condition_of_headers(content_type=content_type, content_length=content_length) is condition


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (BodyTooLarge(), Condition.BODY_TOO_LARGE),
        (InvalidXml(), Condition.NOT_VALID),
        (InvalidMessage([]), Condition.NOT_VALID),
        (SignatureRefused(), Condition.SIGNATURE_WRONG),
    ],
)
def test_our_own_errors_have_a_condition(error, condition):
    assert condition_of_error(error) is condition


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (None, Outcome.RETRY_LATER),
        (200, Outcome.DELIVERED),
        (202, Outcome.DELIVERED),
        (302, Outcome.RETRY_LATER),
        (307, Outcome.FOLLOW_REDIRECT),
        (308, Outcome.FOLLOW_REDIRECT),
        (403, Outcome.GIVE_UP),
        (404, Outcome.RETRY_LATER),
        (408, Outcome.RETRY_LATER),
        (500, Outcome.RETRY_LATER),
        (599, Outcome.RETRY_LATER),
        (999, Outcome.RETRY_LATER),
    ],
)
def test_status_decides_what_the_sender_does(status, outcome):
    assert outcome_of_status(status) is outcome


def test_401_may_be_about_the_token_once():
    assert outcome_of_status(401, token_renewable=True) is Outcome.RENEW_TOKEN
    assert outcome_of_status(401, token_renewable=False) is Outcome.GIVE_UP


def test_a_duplicate_is_delivered_and_nothing_else_that_is_refused():
    assert outcome_of_status(400, body="Duplicate message\n") is Outcome.DELIVERED
    for words in ("Duplicate MessageID, other content", "Duplicate Identifier", "Invalid", ""):
        assert outcome_of_status(400, body=words) is Outcome.GIVE_UP
    assert outcome_of_status(401, body="Duplicate message") is Outcome.GIVE_UP
