"""What the front page reads: right numbers, in a number of queries that does not follow the number of rows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aggregator.core.interval import Interval
from aggregator.core.models import Job
from aggregator.core.ptu import PTU, day_interval
from aggregator.operator import queries
from aggregator.operator.dashboard import overview
from assets.models import AssetState, Membership, Setpoint
from bidding.models import Activation, Bid, NoBid
from settlement.queries import month_interval

NOW = datetime(2026, 1, 14, 16, 20, tzinfo=UTC)
WINDOW_START = datetime(2026, 1, 14, 16, tzinfo=UTC)
TODAY = day_interval(NOW.date())

READS = {
    "ledger": (2, lambda: queries.ledger_of(TODAY)),
    "announcements": (4, lambda: queries.open_announcements(NOW)),
    "activations": (2, queries.activations_now),
    "partners": (2, lambda: queries.partners_today(day=TODAY, now=NOW)),
    "messages": (2, queries.waiting_messages),
    "trouble": (4, lambda: queries.trouble_since(NOW - timedelta(days=1))),
    "earnings": (2, lambda: queries.earnings(TODAY)),
}


@pytest.mark.parametrize("name", READS)
def test_reads_make_as_many_queries_as_they_say_whatever_the_rows(evening, name):
    promised, read = READS[name]
    for _ in range(3):
        evening.everything()
        with CaptureQueriesContext(connection) as captured:
            assert read()
        assert len(captured) == promised


def test_the_whole_page_makes_a_fixed_number_of_queries(evening):
    counts = set()
    for _ in range(3):
        evening.everything()
        with CaptureQueriesContext(connection) as captured:
            overview(now=NOW, may=lambda _permission: True)
        counts.add(len(captured))
    assert len(counts) == 1


def test_the_ledger_knows_sold_and_sellable_per_ptu_and_nothing_where_nothing_was_sized(evening):
    busy, idle = evening.group(name="Busy"), evening.group(name="Idle")
    evening.commit(evening.bid(announcement=evening.announcement("a"), group=busy), sellable_w=300_000)

    found = {group.name: group for group in queries.ledger_of(TODAY)}

    assert found["Busy"].committed_w == {("reduce", WINDOW_START + n * PTU): 200_000 for n in range(4)}
    assert found["Busy"].sellable_w == {("reduce", WINDOW_START + n * PTU): 300_000 for n in range(4)}
    assert found["Idle"].sellable_w == {}
    assert found["Idle"].ean == idle.ean


def test_an_open_call_has_every_group_of_its_area_with_its_newest_answer(evening):
    bidder, decliner, silent = (evening.group(name=name) for name in ("A", "B", "C"))
    evening.announcement("call", is_open=True)
    call = evening.announcement("call", revision=2)
    evening.announcement("closed", is_open=False)
    evening.announcement("over", starts_at=NOW - timedelta(hours=2), ends_at=NOW)
    evening.bid(announcement=call, group=bidder, status=Bid.Status.WITHDRAWN)
    newest = evening.bid(announcement=call, group=bidder, status=Bid.Status.SUBMITTED)
    no_bid = NoBid.objects.create(announcement=call, aggregation_ean=decliner, reason="62 kW", decided_at=NOW)

    (found,) = queries.open_announcements(NOW)

    assert found.announcement == call
    assert found.gate_closes_at == WINDOW_START - timedelta(minutes=15)
    answers = {answer.group: (answer.bid, answer.no_bid) for answer in found.answers}
    assert answers == {"A": (newest, None), "B": (None, no_bid), "C": (None, None)}
    assert silent.name in answers


def test_metered_power_is_the_last_known_and_missing_is_not_zero(evening):
    group, partner = evening.group(), evening.partner()
    first, second = (evening.asset(group=group, partner=partner) for _ in range(2))
    evening.activation(evening.bid(announcement=evening.announcement("a"), group=group))
    evening.meter(first, WINDOW_START, 20_000)
    evening.meter(first, WINDOW_START, 25_000, revision=1)
    evening.meter(second, WINDOW_START, 0, export_wh=5_000)
    evening.meter(first, WINDOW_START + PTU, 10_000)

    (found,) = queries.activations_now()
    complete, partial, missing, _ = found.quarters

    assert (complete.metered_w, complete.received, complete.members) == (80_000, 2, 2)  # (25 - 5) kWh in a quarter hour
    assert (complete.ordered_w, complete.expected_w, complete.is_complete) == (200_000, 500_000, True)
    assert (partial.metered_w, partial.received, partial.is_complete) == (40_000, 1, False)
    assert (missing.metered_w, missing.received, missing.members) == (None, 0, 2)


def test_only_members_of_that_quarter_hour_are_metered(evening):
    group, partner = evening.group(), evening.partner()
    asset = evening.asset(group=group, partner=partner)
    Membership.objects.filter(asset=asset).update(period=(NOW - timedelta(days=9), WINDOW_START + PTU))
    evening.activation(evening.bid(announcement=evening.announcement("a"), group=group))
    evening.meter(asset, WINDOW_START, 1_000)
    evening.meter(asset, WINDOW_START + PTU, 1_000)

    (found,) = queries.activations_now()

    assert [(quarter.metered_w, quarter.members) for quarter in found.quarters[:2]] == [(4_000, 1), (None, 0)]


def test_settled_activations_are_not_on_the_page(evening):
    group = evening.group()
    evening.activation(
        evening.bid(announcement=evening.announcement("a"), group=group), status=Activation.Status.SETTLED
    )
    assert queries.activations_now() == []


def test_what_waits_for_meter_values_hides_nothing_that_runs(evening):
    group, waiting = evening.group(), Activation.Status.FINISHED
    old = [
        evening.activation(evening.bid(announcement=evening.announcement(f"a{n}"), group=group), status=waiting)
        for n in range(queries.SHOWN_ACTIVATIONS + 1)
    ]
    for number, one in enumerate(old):
        starts_at = one.starts_at - timedelta(days=number + 1)
        Activation.objects.filter(pk=one.pk).update(starts_at=starts_at, ends_at=starts_at + PTU)
    running = evening.activation(
        evening.bid(announcement=evening.announcement("now"), group=group), status=Activation.Status.RUNNING
    )

    found = [one.activation.pk for one in queries.activations_now()]

    assert found == [*(one.pk for one in reversed(old[:-2])), running.pk]  # the oldest have to wait


def test_partners_count_silent_assets_and_the_setpoints_sent_today(evening):
    group, partner, idle = evening.group(), evening.partner(name="Deelstroom"), evening.partner(name="Idle")
    assets = [evening.asset(group=group, partner=partner) for _ in range(3)]
    evening.asset(group=group, partner=partner, is_active=False)
    AssetState.objects.create(asset=assets[0], at=NOW - timedelta(minutes=29), power_w=0)
    AssetState.objects.create(asset=assets[1], at=NOW - timedelta(minutes=31), power_w=0)
    evening.setpoint(assets[0], group=group, status=Setpoint.Status.REJECTED)
    evening.setpoint(assets[1], group=group, status=Setpoint.Status.NOT_FOLLOWED)
    evening.setpoint(
        assets[0], group=group, status=Setpoint.Status.REJECTED, reference="old", created_at=NOW - timedelta(days=1)
    )

    found = {one.partner.name: one for one in queries.partners_today(day=TODAY, now=NOW)}

    assert (found["Deelstroom"].assets, found["Deelstroom"].silent) == (3, 2)  # one late, one that never reported
    assert found["Deelstroom"].setpoints == {"rejected": 1, "not_followed": 1}
    assert (found[idle.name].assets, found[idle.name].setpoints) == (0, {})


def test_waiting_messages_show_the_oldest_and_the_first_deadline(evening):
    oldest = evening.message("a", created_at=NOW - timedelta(hours=1), deadline_at=NOW + timedelta(hours=3))
    evening.message("b", deadline_at=NOW + timedelta(minutes=4))
    evening.message("delivered", delivered_at=NOW)
    evening.message("dead", dead_at=NOW)

    (found,) = queries.waiting_messages()

    assert (found.channel, found.messages, found.oldest.pk) == ("exchange", 2, oldest.pk)
    assert found.first_deadline_at == NOW + timedelta(minutes=4)


def test_trouble_is_what_went_wrong_lately(evening):
    evening.message("today", dead_at=NOW - timedelta(hours=1))
    evening.message("long ago", dead_at=NOW - timedelta(days=2), created_at=NOW - timedelta(days=3))
    Job.objects.create(kind="poll", key="1", status="failed", started_at=NOW, finished_at=NOW, error="No answer.")
    Job.objects.create(kind="poll", key="2", status="done", started_at=NOW, finished_at=NOW)

    found = queries.trouble_since(NOW - timedelta(days=1))

    assert (found.dead, [message.idempotency_key for message in found.last_dead]) == (1, ["today"])
    assert (found.failed, [job.key for job in found.last_failed]) == (1, ["1"])


def test_money_counts_the_newest_version_once_and_to_the_cent(evening):
    group, one, other = evening.group(), evening.partner(), evening.partner()
    activation = evening.activation(evening.bid(announcement=evening.announcement("a"), group=group))
    evening.delivery(activation, paid_wh={one: 999_000}, version=1)
    evening.delivery(activation, paid_wh={one: 33_333, other: 16_777}, version=2, price="180.10")

    found = queries.earnings(month_interval(2026, 1))

    assert found.total_eur == Decimal("9.02")  # 50.11 kWh at 180.10 per MWh is 9.0248
    assert found.partners_eur == Decimal("6.31")  # 4.2023 and 2.1151; the cent left over is ours, with 2.7074
    assert found.delivered_wh == 50_110
    assert found.unsettled == 0


def test_money_of_a_quarter_hour_is_counted_at_its_own_price(evening):
    group, one, other = evening.group(), evening.partner(), evening.partner()
    activation = evening.activation(evening.bid(announcement=evening.announcement("a"), group=group))
    delivery = evening.delivery(activation, paid_wh={one: 10_000, other: 0}, price="400.00")
    evening.delivered_ptu(delivery, WINDOW_START + PTU, paid_wh={one: 0, other: 10_000}, price="-80.00")
    found = queries.earnings(month_interval(2026, 1))
    # then 4.00 and -0.80, of which 2.80 and -0.56 are partners'
    assert (found.total_eur, found.partners_eur) == (Decimal("3.20"), Decimal("2.24"))


def test_money_of_another_month_is_not_counted(evening):
    group, partner = evening.group(), evening.partner()
    activation = evening.activation(evening.bid(announcement=evening.announcement("a"), group=group))
    evening.delivery(activation, paid_wh={partner: 100_000})
    assert queries.earnings(month_interval(2025, 12)) == queries.Earnings(Decimal("0.00"), Decimal("0.00"), 0, 0)


def test_an_activation_without_a_delivery_is_counted_as_not_settled(evening):
    evening.activation(evening.bid(announcement=evening.announcement("a"), group=evening.group()))
    assert queries.earnings(Interval(WINDOW_START, WINDOW_START + PTU)).unsettled == 1
