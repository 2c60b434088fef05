"""The front page: what an operator reads there."""

import html
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.core.models import Breaker, Job
from aggregator.core.ptu import PTU
from aggregator.operator.dashboard import overview
from assets.models import Setpoint, SteeringLimit
from bidding.models import Activation, Bid, DispatchAlarm, NoBid

NOW = datetime(2026, 1, 14, 16, 20, tzinfo=UTC)
WINDOW_START = datetime(2026, 1, 14, 16, tzinfo=UTC)
EAN, OTHER_EAN = "871685900012636543", "871685200000008513"


def everything_visible(_permission):
    return True


def panels(now=NOW):
    return overview(now=now, may=everything_visible)["panels"]


def texts(table):
    return [[cell["text"] for cell, _ in row] for row in table["rows"]]


def model_objects(value):
    """Return what a template must not get."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in model_objects(item)]
    if isinstance(value, list | tuple):
        return [found for item in value for found in model_objects(item)]
    return [value] if hasattr(value, "_meta") else []


def test_the_page_has_every_panel_and_no_model_objects(pages, evening):
    evening.everything()
    answer = pages.get("/admin/")
    assert answer.status_code == 200
    assert set(answer.context["panels"]) == {
        "announcements", "duties", "activations", "ledger", "record", "partners", "messages", "trouble", "money",
    }  # fmt: skip
    assert model_objects(answer.context["panels"]) == []
    assert "17:20, Dutch time" in answer.content.decode().replace("</strong>", "")


@pytest.mark.parametrize("place", ["", "bidding/activation/{activation}/live/", "assets/asset/{asset}/meter-values/"])
def test_each_page_of_ours_has_one_main_part_and_no_two_regions_of_one_name(pages, evening, place):
    evening.everything()
    rows = {"activation": Activation.objects.get().pk, "asset": evening.assets[0].pk}
    text = pages.get(f"/admin/{place.format(**rows)}").content.decode()
    assert text.count("<main") == 1
    named = re.findall(r'<(?:section|div)[^>]* aria-label="([^"]*)"', text)
    headed = [
        re.search(rf'id="{name}">([^<]*)<', text)[1]
        for name in re.findall(r'<section[^>]* aria-labelledby="([^"]*)"', text)
    ]
    names = [html.unescape(name) for name in named + headed]
    assert len(names) > 1
    assert sorted(set(names)) == sorted(names)


def test_an_empty_service_says_what_to_do(pages):
    text = pages.get("/admin/").content.decode()
    for words in (
        "No open calls.",
        "Nothing runs and nothing is ordered.",
        "There are no aggregation EANs yet.",
        "manage.py partner create NAME",
        "Everything is delivered.",
        "No message was given up.",
        "No job failed.",
        "No bid that was cleared in full is settled yet.",
    ):
        assert words in text
    assert "€ 0.00" in text


def test_ordered_is_shown_against_metered_and_what_is_unknown_is_a_dash(evening):
    group, partner = evening.group(name="Centrum"), evening.partner()
    asset, silent = evening.asset(group=group, partner=partner), evening.asset(group=group, partner=partner)
    evening.activation(evening.bid(announcement=evening.announcement("a"), group=group))
    evening.meter(asset, WINDOW_START, 60_000)
    evening.meter(silent, WINDOW_START, 10_000)
    evening.meter(asset, WINDOW_START + PTU, 60_000)

    (row,) = panels()["activations"]["rows"]

    to = "\N{EN DASH}"
    assert row["period"] == f"Wed 14 Jan 17:00{to}18:00"
    assert texts(row["quarters"]) == [
        [f"17:00{to}17:15", "200", "500", "280", "2 of 2", "220"],
        [f"17:15{to}17:30", "200", "500", "240", "1 of 2", "—"],
        [f"17:30{to}17:45", "200", "500", "—", "not yet", "—"],
        [f"17:45{to}18:00", "200", "500", "—", "not yet", "—"],
    ]
    series = {one["label"]: one["data"] for one in json.loads(row["chart"].data)["datasets"]}
    assert series["Expected with the order"] == [300.0] * 4
    assert series["Metered"] == [280.0, None, None, None]
    assert series["Metered, not all in"] == [None, 240.0, None, None]


def test_a_called_limit_stands_beside_what_is_metered_though_nothing_was_nominated(evening):
    group = evening.group()
    asset = evening.asset(group=group, partner=evening.partner())
    activation = evening.activation(evening.bid(announcement=evening.announcement("a"), group=group))
    activation.bid.nominations.all().delete()
    activation.ptus.update(max_import_w=300_000)
    evening.meter(asset, WINDOW_START, 75_000)
    evening.meter(asset, WINDOW_START + PTU, 76_000)

    (row,) = panels()["activations"]["rows"]

    ordered, metered = ([cells[column][0] for cells in row["quarters"]["rows"][:2]] for column in (1, 3))
    assert [cell["note"] for cell in ordered] == ["at most 300 kW taken"] * 2
    assert [(cell["text"], cell["tone"]) for cell in metered] == [("300", "good"), ("304", "bad")]
    series = {one["label"]: one["data"] for one in json.loads(row["chart"].data)["datasets"]}
    assert series["Expected with the order"] == [300.0] * 4


def test_a_called_limit_on_feeding_in_asks_for_consumption(evening):
    group = evening.group()
    asset = evening.asset(group=group, partner=evening.partner())
    call = evening.announcement("a", direction="increase")
    activation = evening.activation(evening.bid(announcement=call, group=group))
    activation.bid.nominations.all().delete()
    activation.ptus.update(max_export_w=100_000)
    evening.meter(asset, WINDOW_START, 0, export_wh=25_000)
    (row,) = panels()["activations"]["rows"]
    cells = [cell for cell, _ in row["quarters"]["rows"][0]]
    assert (cells[1]["note"], cells[3]["text"], cells[3]["tone"]) == ("at most 100 kW fed in", "-100", "good")


def test_moved_power_of_an_increase_counts_the_other_way(evening):
    group, partner = evening.group(), evening.partner()
    asset = evening.asset(group=group, partner=partner)
    call = evening.announcement("a", direction="increase")
    evening.activation(evening.bid(announcement=call, group=group), expected_w=100_000)
    evening.meter(asset, WINDOW_START, 80_000)
    (row,) = panels()["activations"]["rows"]
    assert texts(row["quarters"])[0][-1] == "220"


def test_sold_against_sellable_is_a_chart_of_today_with_gaps_and_a_short_table(evening):
    group = evening.group(name="Centrum")
    evening.group(name="Idle")
    evening.commit(evening.bid(announcement=evening.announcement("a"), group=group), sellable_w=300_000)

    panel = panels()["ledger"]

    (shown,) = panel["groups"]
    data = json.loads(shown["chart"].data)
    assert len(data["labels"]) == 96
    sold = next(one["data"] for one in data["datasets"] if one["label"] == "Sold (consume less)")
    assert sold[68:72] == [200.0] * 4  # 17:00 is the 69th quarter hour
    assert sold[67] is None
    assert texts(shown["runs"]) == [["17:00\N{EN DASH}18:00", "Consume less", "200", "300", "100"]]
    assert panel["idle"] == ["Idle"]


def test_every_group_in_the_area_has_its_answer(evening):
    names = ("Bids", "Declines", "By hand", "Not sized")
    bidder, decliner, by_hand, _ = (
        evening.group(name=name, autonomy="manual" if name == "By hand" else "automatic") for name in names
    )
    call = evening.announcement("a", starts_at=NOW + timedelta(hours=1), ends_at=NOW + timedelta(hours=2))
    evening.bid(announcement=call, group=bidder, status=Bid.Status.SUBMITTED)
    NoBid.objects.create(announcement=call, aggregation_ean=decliner, reason="Only 62 kW holds.", decided_at=NOW)

    (shown,) = panels()["announcements"]["calls"]

    assert shown["gate"] == "closes in 45 min"
    answers = {row[0]: (row[1], row[-1]) for row in texts(shown["answers"])}
    assert answers == {
        "Bids": ("On the exchange", ""),
        "Declines": ("No bid", "Only 62 kW holds."),
        "By hand": ("No answer yet", "This group bids by hand: add a bid."),
        "Not sized": ("No answer yet", "Being sized; the answer comes by itself."),
    }
    assert by_hand.name in answers


def test_what_needs_attention_comes_first_with_its_row(pages, evening):
    group = evening.group(name="Centrum")
    call = evening.announcement("a", starts_at=NOW + timedelta(hours=1), ends_at=NOW + timedelta(hours=2))
    bid = evening.bid(announcement=call, group=group, status=Bid.Status.PROPOSED)
    waiting = evening.message("late", deadline_at=NOW + timedelta(minutes=4))
    evening.message("dead", dead_at=NOW)
    Job.objects.create(kind="poll", key="1", status="failed", started_at=NOW, finished_at=NOW, error="No answer.")
    partner = evening.partner(name="Deelstroom", is_stopped=True)
    evening.asset(group=group, partner=partner, connection_ean=EAN)
    SteeringLimit.objects.create(connection_ean=EAN, max_import_w=100_000, reason="the contract")
    idle = SteeringLimit.objects.create(connection_ean=OTHER_EAN, max_import_w=100_000, reason="the contract")

    attention = {line["text"]: line["href"] for line in overview(now=NOW, may=everything_visible)["attention"]}

    assert attention == {
        "Centrum: a bid of 200 kW waits for your approval, 45 min before the gate closes.": (
            f"/admin/bidding/bid/{bid.pk}/change/"
        ),
        "Deelstroom is stopped: no setpoints go to its 1 asset.": (
            f"/admin/assets/partner/{evening.partners[0].pk}/change/"
        ),
        f"The limit of connection {OTHER_EAN} holds nothing back: no active asset names it. Compare the EANs.": (
            f"/admin/assets/steeringlimit/{idle.pk}/change/"
        ),
        "exchange: 1 not delivered; 4 min left before the first is worthless.": (
            f"/admin/core/outboxmessage/{waiting.pk}/change/"
        ),
        "1 message given up in the last 24 hours.": "/admin/core/outboxmessage/?dead_at__isempty=0",
        "1 job failed in the last 24 hours.": "/admin/core/job/?status__exact=failed",
    }


def test_an_alarm_that_is_open_is_told_on_the_first_page(evening):
    call = evening.announcement("a", starts_at=WINDOW_START, ends_at=WINDOW_START + timedelta(hours=1))
    activation = evening.activation(evening.bid(announcement=call, group=evening.group(name="Centrum")))
    for kind, cleared_at in (("below_order", None), ("limited", NOW)):
        DispatchAlarm.objects.create(
            activation=activation, kind=kind, message="150 kW of 200 kW ordered.", raised_at=NOW, cleared_at=cleared_at
        )

    assert overview(now=NOW, may=everything_visible)["attention"] == [
        {
            "text": "Centrum: delivers less than ordered. 150 kW of 200 kW ordered.",
            "href": f"/admin/bidding/activation/{activation.pk}/live/",
            "tone": "bad",
        }
    ]


def test_promises_are_counted_against_what_was_kept(evening):
    group = evening.group()
    for day in range(12):
        starts_at = WINDOW_START - timedelta(days=day)
        call = evening.announcement(f"a{day}", starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
        # the last two say nothing of the promise: ordered in part, and not settled
        status = Bid.Status.PARTLY_CLEARED if day == 10 else Bid.Status.CLEARED
        kept = {0: False, 1: False, 2: False, 11: None}.get(day, True)
        evening.activation(evening.bid(announcement=call, group=group, status=status), is_kept=kept)

    page = overview(now=NOW, may=everything_visible)

    sentence = "promised 95%, kept 70.0% (10 windows with a bid, 95 % interval 39.7% to 89.2%)"
    assert page["panels"]["record"]["sentences"] == [sentence]
    assert texts(page["panels"]["record"]["table"]) == [["95.0%", "10", "10", "7", "70.0%", "39.7% to 89.2%", "200"]]
    assert f"Bids are kept less often than promised: {sentence}." in [line["text"] for line in page["attention"]]


def test_bids_that_nobody_called_have_a_record_of_what_their_cars_would_have_held(evening, pages):
    group = evening.group()
    for day in range(12):
        starts_at = WINDOW_START - timedelta(days=day)
        call = evening.announcement(f"a{day}", starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
        promised_w = 300_000  # of which 200 kW were left to offer
        capacity_w = {0: 299_999, 1: 250_000, 2: 0, 11: None}.get(day, promised_w)
        evening.bid(
            announcement=call, group=group, status=Bid.Status.NOT_CLEARED, capacity_w=capacity_w,
            explanation={"reason": "300 kW", "replay": {"promised_w": promised_w, "steady_w": 0}},
        )  # fmt: skip

    page = overview(now=NOW, may=everything_visible)

    panel = page["panels"]["record"]
    assert panel["table"]["rows"] == []
    assert texts(panel["replayed"]) == [["95.0%", "11", "11", "8", "72.7%", "43.4% to 90.3%", "300"]]
    assert [line["text"].split(":")[0] for line in page["attention"]] == [
        "Bids, called or not, would have been kept less often than promised"
    ]
    [href] = [line["href"] for line in page["attention"]]
    assert pages.get(href).context["cl"].result_count == 11
    html = pages.get("/admin/").content.decode()
    assert "All bids, replayed" in html
    assert "43.4% to 90.3%" in html


def test_every_link_on_the_page_opens(pages, evening):
    evening.everything()
    evening.setpoint(evening.assets[0], group=evening.groups[0], status=Setpoint.Status.NOT_FOLLOWED, reference="y")
    links = set(_links(pages.get("/admin/").context["panels"]))
    assert len(links) > 15
    for link in links:
        answer = pages.get(link)
        assert answer.status_code == 200, link
        if "batch__partner" in link or "isempty" in link:
            assert answer.context["cl"].has_filters, link  # a filter the list does not know redirects to ?e=1


def _links(value):
    if isinstance(value, dict):
        yield from (link for key in ("href", "list") if (link := value.get(key)))
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _links(item)


def test_an_hour_that_comes_twice_says_which_one(evening):
    shown = overview(now=NOW.replace(month=10, day=25, hour=0, minute=30), may=everything_visible)
    assert shown["as_of"] == "Sunday 25 October 2026, 02:30"


def test_a_counterparty_that_is_left_alone_is_told(evening):
    Breaker.objects.create(counterparty="https://back.example", failures=9, rests_until=NOW)
    Breaker.objects.create(counterparty="https://broker.example", failures=6, rests_until=NOW + timedelta(minutes=1))
    Breaker.objects.create(counterparty="https://exchange.example", rests_until=NOW + timedelta(seconds=30))
    failed, asked = panels()["messages"]["attention"]
    assert failed["text"] == "https://broker.example failed 6 times in a row; it is tried again at 17:21."
    assert asked["text"] == "https://exchange.example asked us to wait; it is tried again at 17:20."
