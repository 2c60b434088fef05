"""Our client and the mock TenneT, each written to the same contract and knowing nothing of the other."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from aggregator.core.ean import Ean13
from aggregator.core.http import HttpClient, RequestFailed
from bidding.markets.afrr.bid_document import BidDocument, bid_document_xml
from bidding.markets.afrr.bids import Bid
from bidding.markets.afrr.client import NotSettledYet, Outcome, TennetClient
from bidding.markets.afrr.real_time import Measurement, SignalTerms, Use, judge_setpoint
from bidding.markets.afrr.terms import ProductTerms
from tests.bid_documents import BSP, PTU_17, post_document
from tests.integration.mock_gopacs.bsp_side import tennet_scenario
from tests.integration.mock_gopacs.market_process import ms, utc

MW = 1_000_000
CYCLE = timedelta(seconds=4)
DAY = date(2026, 1, 14)
MADE_AT = utc(14, 31)
TERMS = ProductTerms()


@pytest.fixture
def tennet(market_process):
    """TenneT on a day on which it takes 12 MW more for ten minutes from 18:00 local time, and then 11 MW less."""
    market_process.set_clock(MADE_AT)
    demand = [{"at": "18:00", "mw": 12}, {"at": "18:10", "mw": -11}, {"at": "18:15", "mw": 0}]
    market_process.load(tennet_scenario(demand=demand))
    return market_process


@pytest.fixture
def client(tennet):
    return TennetClient(
        http=HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"})), base_url=tennet.address, api_key="bsp-key"
    )


def bid(mrid="up", **changes):
    made = Bid(mrid, PTU_17, "reduce", 5 * MW, Decimal("90.00"))
    return replace(made, **changes)


def send(client, *bids, mrid="document-1", version="7.4", created_at=MADE_AT):
    document = BidDocument(mrid, Ean13(BSP), created_at, bids)
    return post_document(client, bid_document_xml(document, terms=TERMS, version=version), mrid=mrid)


def merit_order(tennet):
    return tennet.control("GET", "tennet/merit-order", params={"at": ms(PTU_17)})


def ours(tennet):
    order = merit_order(tennet)
    return {row["mRID"]: row["quantityMw"] for row in [*order["up"], *order["down"]] if row["party"] == BSP}


@pytest.mark.parametrize("version", ["7.4", "7.2"])
def test_our_documents_are_taken_and_bids_changed_and_taken_back(tennet, client, version):
    down = bid("down", direction="increase", power_w=2 * MW, price_eur_per_mwh=Decimal("-5.5"))
    assert send(client, bid(), down, version=version).outcome is Outcome.DONE
    assert ours(tennet) == {"up": 5, "down": 2}

    later = MADE_AT + timedelta(minutes=1)
    tennet.set_clock(later)
    changed = [bid(power_w=7 * MW), replace(down, power_w=0)]
    assert send(client, *changed, mrid="document-2", version=version, created_at=later).outcome is Outcome.DONE
    assert ours(tennet) == {"up": 7}


def test_a_refusal_says_why_and_the_same_document_sent_again_gets_the_same_answer(tennet, client):
    refused = send(client, bid(power_w=21 * MW))
    assert (refused.outcome, ours(tennet)) == (Outcome.REFUSED, {})
    assert "A59" in refused.why
    assert send(client, bid(power_w=21 * MW)).why == refused.why


def test_after_an_answer_that_tells_nothing_the_same_document_can_be_sent_again(tennet, client):
    for fault in ({"kind": "reply_lost"}, {"kind": "status", "status": 503}):
        tennet.control("POST", "faults", json={**fault, "path": "/tennet/documents"})
    with pytest.raises(RequestFailed):
        send(client, bid())
    assert send(client, bid()).outcome is Outcome.UNKNOWN
    assert send(client, bid()).outcome is Outcome.DONE
    assert ours(tennet) == {"up": 5}


def test_a_call_is_told_in_each_cycle_measured_and_settled(tennet, client):
    down = bid("down", direction="increase", power_w=2 * MW, price_eur_per_mwh=Decimal("30.00"))
    assert send(client, bid(price_eur_per_mwh=Decimal("70.00")), down).outcome is Outcome.DONE
    reference_w, told = 3 * MW, []

    for cycle in range(-2, 225, 1):
        now = PTU_17 + cycle * CYCLE
        tennet.set_clock(now)
        setpoint = client.fetch_setpoint()
        previous = told[-1] if told else None
        assert judge_setpoint(previous, setpoint, now=now, terms=SignalTerms()).use is Use.USABLE
        told.append(setpoint)
        sent = client.send_measurement(
            Measurement(now, reference_w, reference_w + setpoint.delta_w, 5 * MW, 2 * MW, is_in_control=True)
        )
        assert sent.outcome is Outcome.DONE, sent.why

    by_power = {setpoint.delta_w for setpoint in told}
    assert by_power == {0, -5 * MW, 2 * MW}
    assert all(after.sequence == before.sequence + 1 for before, after in pairwise(told))

    with pytest.raises(NotSettledYet):
        client.fetch_settlement(DAY)
    tennet.set_clock(utc(9, day=15))
    settled = client.fetch_settlement(DAY)
    [period] = [one for one in settled.periods if one.starts_at == PTU_17]
    asked_mwh = {
        is_up: sum(
            abs(one.delta_setpoint_mw) for one in told if one.at >= PTU_17 and (one.delta_setpoint_mw > 0) == is_up
        ) * 4 / Decimal(3600)
        for is_up in (True, False)
    }  # fmt: skip
    assert (period.reduce.requested_mwh, period.increase.requested_mwh) == pytest.approx(
        (asked_mwh[True], asked_mwh[False]), abs=Decimal("0.000001")
    )
    assert period.reduce.requested_mwh > Decimal("0.8")
    prices = (period.reduce.price_eur_per_mwh, period.increase.price_eur_per_mwh)
    assert prices == (Decimal("80.00"), Decimal("20.00"))
    assert period.amount_eur == pytest.approx(asked_mwh[True] * 80 - asked_mwh[False] * 20, abs=Decimal("0.02"))
    assert (period.reduce.missed_mwh, period.increase.missed_mwh, period.penalty_eur) == (0, 0, 0)
