from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from assets import operations, queries
from assets.models import Asset, AssetState, ChargingSession, Declaration
from assets.validation import kinds
from tests.field_side import NOW, at, battery, charger, make_assets
from tests.waiting import is_waited_for


def _session(asset="a", name="s", **fields):
    return {
        "asset": asset,
        "external_id": name,
        "plug_in_at": at("08:00"),
        "plug_out_at": at("12:00"),
        "energy_wh": 9_000,
        "max_import_w": 7_400,
        **fields,
    }


def _errors(refusal):
    return [(error.index, error.field, error.code) for error in refusal.value.errors]


def test_assets_are_created_updated_and_left_alone(partner):
    operations.upsert_assets(partner_id=partner.pk, rows=[charger("a"), charger("b")], now=NOW)

    done = operations.upsert_assets(
        partner_id=partner.pk, rows=[charger("a"), charger("b", max_import_w=22_000), battery("c")], now=NOW
    )

    assert done == operations.Upserted(created=1, updated=1, unchanged=1)
    assert list(Asset.objects.order_by("external_id").values_list("external_id", "max_import_w")) == [
        ("a", 11_000),
        ("b", 22_000),
        ("c", 100_000),
    ]


def test_partners_may_use_the_same_name_for_different_assets(partner, other_partner):
    make_assets(partner, [charger("a", max_import_w=3_700)])

    done = operations.upsert_assets(partner_id=other_partner.pk, rows=[charger("a")], now=NOW)

    assert done.created == 1
    assert Asset.objects.get(partner=partner).max_import_w == 3_700


def test_one_bad_asset_stores_none(partner):
    with pytest.raises(operations.InvalidRows) as refusal:
        operations.upsert_assets(
            partner_id=partner.pk, rows=[charger("a"), charger("b", connection_ean="871685900012636542")], now=NOW
        )

    assert _errors(refusal) == [(1, "connection_ean", "wrong-ean")]
    assert not Asset.objects.exists()


def test_the_newest_state_wins_whatever_the_order(partner):
    [asset] = make_assets(partner, [charger("a")])
    states = [
        {"asset": "a", "at": at("16:05"), "power_w": 5_000, "is_plugged_in": True},
        {"asset": "a", "at": at("16:00"), "power_w": 9_000},
    ]

    first = operations.record_states(partner_id=partner.pk, rows=states, now=NOW)
    late = operations.record_states(
        partner_id=partner.pk, rows=[{"asset": "a", "at": at("16:04"), "power_w": 1}], now=NOW
    )

    assert first == operations.StatesRecorded(accepted=1, stale=1)
    assert late == operations.StatesRecorded(accepted=0, stale=1)
    state = queries.latest_states(asset_ids=[asset.pk])[asset.pk]
    assert (state.at, state.power_w, state.is_plugged_in, state.is_available) == (at("16:05"), 5_000, True, True)


def test_a_state_from_the_future_is_refused(partner):
    make_assets(partner, [charger("a")])

    with pytest.raises(operations.InvalidRows) as refusal:
        operations.record_states(
            partner_id=partner.pk, rows=[{"asset": "a", "at": NOW + timedelta(minutes=6), "power_w": 1}], now=NOW
        )

    assert _errors(refusal) == [(0, "at", "in-the-future")]
    assert not AssetState.objects.exists()


def test_a_foreign_asset_is_as_unknown_as_none(partner, other_partner):
    make_assets(other_partner, [charger("theirs")])

    with pytest.raises(operations.InvalidRows) as refusal:
        operations.record_sessions(partner_id=partner.pk, rows=[_session("theirs"), _session("none")], now=NOW)

    assert _errors(refusal) == [(0, "asset", "unknown-asset"), (1, "asset", "unknown-asset")]


def test_a_session_without_power_is_refused_by_row_and_by_the_database(partner):
    [asset] = make_assets(partner, [charger("a")])

    with pytest.raises(operations.InvalidRows) as refusal:
        operations.record_sessions(
            partner_id=partner.pk, rows=[_session(name="fine", max_import_w=1), _session(max_import_w=0)], now=NOW
        )

    assert _errors(refusal) == [(1, "max_import_w", "out-of-range")]
    assert refusal.value.errors[0].message == kinds.SESSION_WITHOUT_POWER
    assert not ChargingSession.objects.exists()
    with pytest.raises(IntegrityError, match="session_has_power"), transaction.atomic():
        ChargingSession.objects.create(asset=asset, plug_in_at=NOW, max_import_w=0, known_at=NOW)


def test_sessions_stored_without_power_get_what_their_charger_can_give(partner):
    useless, asset = make_assets(partner, [charger("z", max_import_w=0), charger("a")])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a migration has a transaction of its own
    call_command("migrate", "assets", "0013_car_models", verbosity=0)
    for one, power_w in ((useless, 0), (asset, 0), (asset, 3_700)):
        ChargingSession.objects.create(
            asset=one, external_id=f"{one.external_id}-{power_w}", plug_in_at=at("08:00"), plug_out_at=at("09:00"),
            max_import_w=power_w, known_at=at("09:00"),
        )  # fmt: skip

    call_command("migrate", "assets", verbosity=0)

    powers = ChargingSession.objects.order_by("external_id").values_list("external_id", "max_import_w", "known_at")
    assert list(powers) == [("a-0", 11_000, at("09:00")), ("a-3700", 3_700, at("09:00")), ("z-0", 1, at("09:00"))]


def test_sessions_are_recorded_once_and_completed_later(partner):
    [asset] = make_assets(partner, [charger("a")])
    opened = _session(plug_out_at=None, energy_wh=0, declared_departure_at=at("18:00"), driver_token="card-1")

    first = operations.record_sessions(partner_id=partner.pk, rows=[opened], now=at("08:01"))
    again = operations.record_sessions(partner_id=partner.pk, rows=[opened], now=at("08:02"))
    closed = operations.record_sessions(partner_id=partner.pk, rows=[_session()], now=at("12:01"))

    assert first == operations.Upserted(created=1, updated=0, unchanged=0)
    assert again == operations.Upserted(created=0, updated=0, unchanged=1)
    assert closed == operations.Upserted(created=0, updated=1, unchanged=0)
    session = ChargingSession.objects.get(asset=asset)
    assert (session.plug_out_at, session.energy_wh, session.known_at) == (at("12:00"), 9_000, at("12:01"))
    assert session.declared_departure_at == at("18:00")  # the closing report did not repeat it


def test_a_late_open_report_does_not_reopen_a_closed_session(partner):
    make_assets(partner, [charger("a")])
    operations.record_sessions(partner_id=partner.pk, rows=[_session()], now=NOW)

    late = operations.record_sessions(partner_id=partner.pk, rows=[_session(plug_out_at=None, energy_wh=3)], now=NOW)

    assert late == operations.Upserted(created=0, updated=0, unchanged=1)
    assert ChargingSession.objects.get().energy_wh == 9_000


def test_one_batch_may_close_a_session_and_open_the_next(partner):
    make_assets(partner, [charger("a")])
    operations.record_sessions(partner_id=partner.pk, rows=[_session(name="one", plug_out_at=None)], now=NOW)
    following = _session(name="two", plug_in_at=at("13:00"), plug_out_at=None)

    done = operations.record_sessions(partner_id=partner.pk, rows=[following, _session(name="one")], now=NOW)

    assert done == operations.Upserted(created=1, updated=1, unchanged=0)


def test_a_second_open_session_is_refused_and_nothing_stored(partner):
    make_assets(partner, [charger("a"), charger("b")])
    operations.record_sessions(partner_id=partner.pk, rows=[_session(name="one", plug_out_at=None)], now=NOW)

    with pytest.raises(operations.InvalidRows) as refusal:
        operations.record_sessions(
            partner_id=partner.pk,
            rows=[_session("b", name="fine"), _session(name="two", plug_in_at=at("13:00"), plug_out_at=None)],
            now=NOW,
        )

    assert _errors(refusal) == [(1, "plug_out_at", "second-open-session")]
    assert list(ChargingSession.objects.values_list("external_id", flat=True)) == ["one"]


def test_two_open_sessions_of_one_asset_in_a_batch_are_refused(partner):
    make_assets(partner, [charger("a")])
    rows = [_session(name="one", plug_out_at=None), _session(name="two", plug_in_at=at("09:00"), plug_out_at=None)]

    with pytest.raises(operations.InvalidRows) as refusal:
        operations.record_sessions(partner_id=partner.pk, rows=rows, now=NOW)

    assert _errors(refusal) == [(1, "plug_out_at", "second-open-session")]


def test_the_driver_token_is_kept_as_a_hash_that_differs_per_partner(partner, other_partner):
    for owner in (partner, other_partner):
        make_assets(owner, [charger("a")])
        operations.record_sessions(partner_id=owner.pk, rows=[_session(driver_token="NL-ABC-1")], now=NOW)

    tokens = list(ChargingSession.objects.values_list("driver_token", flat=True))

    assert all(len(token) == 64 and "ABC" not in token for token in tokens)
    assert tokens[0] != tokens[1]


def test_a_state_of_charge_becomes_a_level_where_the_size_is_known(partner):
    big, car = make_assets(partner, [battery("b"), charger("a")])
    states = [{"asset": name, "at": NOW, "power_w": 0, "soc_percent": soc} for name, soc in (("b", 62.5), ("a", 40))]

    operations.record_states(partner_id=partner.pk, rows=states, now=NOW)

    found = queries.latest_states(asset_ids=[big.pk, car.pk])
    assert [(found[one.pk].soc_percent, found[one.pk].level_wh) for one in (big, car)] == [
        (Decimal("62.5"), 125_000),
        (Decimal("40.0"), None),
    ]


@pytest.mark.parametrize("soc", [-1, 100.1, 33.33, True, "50"])
def test_a_state_of_charge_that_is_none_is_refused(partner, soc):
    make_assets(partner, [charger("a")])

    with pytest.raises(operations.InvalidRows) as refusal:
        operations.record_states(
            partner_id=partner.pk, rows=[{"asset": "a", "at": NOW, "power_w": 0, "soc_percent": soc}], now=NOW
        )

    assert [error.field for error in refusal.value.errors] == ["soc_percent"]


def test_what_a_driver_declares_in_a_state_holds_for_the_open_session(partner):
    [asset] = make_assets(partner, [charger("a")])
    session = {"asset": "a", "external_id": "s", "plug_in_at": at("15:00"), "energy_wh": 0, "max_import_w": 7_360}
    operations.record_sessions(partner_id=partner.pk, rows=[session], now=NOW)
    state = {"asset": "a", "at": at("16:00"), "power_w": 7_360, "declared_departure_at": at("21:00")}

    operations.record_states(partner_id=partner.pk, rows=[state | {"declared_energy_wh": 9_000}], now=NOW)
    operations.record_states(  # late: an older word does not replace a newer one
        partner_id=partner.pk, rows=[state | {"at": at("15:30"), "declared_energy_wh": 1}], now=NOW
    )

    kept = asset.sessions.get()
    assert (kept.declared_departure_at, kept.declared_energy_wh, kept.known_at) == (at("21:00"), 9_000, NOW)


def _declarations(asset):
    rows = Declaration.objects.filter(session__asset=asset).order_by("told_at")
    return [(row.told_at, row.departure_at, row.energy_wh) for row in rows]


def test_each_word_of_a_driver_is_remembered_with_the_instant_we_heard_it(partner):
    [asset] = make_assets(partner, [charger("a")])
    opened = _session(plug_out_at=None, energy_wh=0, declared_departure_at=at("18:00"), declared_at=at("08:00"))
    state = {"asset": "a", "at": at("09:00"), "power_w": 0, "declared_departure_at": at("17:00")}

    operations.record_sessions(partner_id=partner.pk, rows=[opened], now=at("08:05"))
    operations.record_sessions(partner_id=partner.pk, rows=[opened | {"energy_wh": 500}], now=at("08:10"))
    operations.record_states(partner_id=partner.pk, rows=[state], now=at("09:01"))
    operations.record_sessions(
        partner_id=partner.pk, rows=[_session(declared_energy_wh=9_000, declared_at=at("08:00"))], now=at("12:01")
    )

    # Nothing is taken to be known before it was heard, whatever instant a late report gives.
    assert _declarations(asset) == [
        (at("08:05"), at("18:00"), None),
        (at("09:01"), at("17:00"), None),
        (at("12:01"), at("17:00"), 9_000),
    ]


def test_a_past_session_brings_the_instant_its_driver_declared(partner):
    assets = make_assets(partner, [charger("a"), charger("b"), charger("c")])
    told = {"declared_energy_wh": 9_000, "declared_at": at("08:00")}
    rows = [_session("a", **told), _session("b", declared_energy_wh=9_000), _session("c")]

    operations.record_sessions(partner_id=partner.pk, rows=rows, now=NOW)

    assert [_declarations(asset) for asset in assets] == [
        [(at("08:00"), None, 9_000)],
        [(NOW, None, 9_000)],  # nobody says since when: it was known when we heard it
        [],
    ]


def test_nobody_declares_in_the_future(partner):
    make_assets(partner, [charger("a")])

    with pytest.raises(operations.InvalidRows) as refusal:
        operations.record_sessions(
            partner_id=partner.pk, rows=[_session(declared_at=NOW + timedelta(hours=1))], now=NOW
        )

    assert _errors(refusal) == [(0, "declared_at", "in-the-future")]


@pytest.mark.django_db(transaction=True)
def test_states_and_sessions_of_the_same_cars_at_once_wait_for_each_other_and_do_not_lock_up(partner):
    make_assets(partner, [charger("a"), charger("b")])
    session = {"external_id": "s", "plug_in_at": at("15:00"), "energy_wh": 0, "max_import_w": 11_000}

    def sessions(*names, energy_wh):
        rows = [{**session, "asset": name, "energy_wh": energy_wh} for name in names]
        operations.record_sessions(partner_id=partner.pk, rows=rows, now=NOW)

    def states():
        rows = [{"asset": name, "at": at("16:00"), "power_w": 0, "declared_energy_wh": 9_000} for name in "ab"]
        try:
            operations.record_states(partner_id=partner.pk, rows=rows, now=NOW)
        finally:
            connection.close()

    sessions("a", "b", energy_wh=0)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            sessions("b", energy_wh=100)
            telling = pool.submit(states)
            assert is_waited_for(unless=telling.done)
            sessions("a", energy_wh=100)
        telling.result()

    kept = ChargingSession.objects.values_list("energy_wh", "declared_energy_wh")
    assert list(kept) == [(100, 9_000)] * 2
