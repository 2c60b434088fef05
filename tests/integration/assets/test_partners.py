"""Partners beyond their reports: sandboxes that stay apart, and secrets that are replaced."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from standardwebhooks import Webhook, WebhookVerificationError

from assets import operations
from assets.control.operations import PlannedSetpoint, deliver_setpoints, send_setpoints
from assets.models import AggregationEan, Membership, Partner
from assets.ocpi.commands import clear_profiles
from assets.operations import partners
from tests.field_side import NOW, at, charger, enrol, make_area, make_assets, make_group


@pytest.fixture
def sandbox(db) -> Partner:
    return operations.register_partner(name="Trying out", now=NOW, is_sandbox=True)[0]


def test_assets_of_a_sandbox_join_its_own_group_by_themselves(sandbox):
    make_assets(sandbox, [charger("a"), charger("b")])
    make_assets(sandbox, [charger("b"), charger("c")])

    [group] = AggregationEan.objects.all()
    assert (group.is_sandbox, group.autonomy, group.name) == (True, "manual", "Sandbox of Trying out")
    assert group.ean.startswith("99")
    assert [(one.asset.external_id, one.aggregation_ean_id) for one in Membership.objects.order_by("asset")] == [
        (name, group.ean) for name in "abc"
    ]
    assert {one.period.lower for one in Membership.objects.all()} == {at("16:00")}


def test_the_database_keeps_sandbox_assets_and_market_groups_apart(sandbox, partner):
    market = make_group(make_area())
    [theirs] = make_assets(sandbox, [charger("a")])
    [real] = make_assets(partner, [charger("a")])
    Membership.objects.all().delete()

    for asset, group in ((theirs, market), (real, AggregationEan.objects.get(is_sandbox=True))):
        with pytest.raises(operations.UnableToEnrol, match="belong to sandbox groups"), transaction.atomic():
            enrol(group, [asset])

    assert not Membership.objects.exists()


@pytest.mark.parametrize("model", [Partner, AggregationEan])
def test_a_sandbox_never_becomes_real(sandbox, model):
    with pytest.raises(DatabaseError, match="Cannot update rows"), transaction.atomic():
        model.objects.update(is_sandbox=False)


def test_both_secrets_sign_for_a_day_after_a_rotation(group, callback, clock, http):
    partner, credentials = operations.register_partner(name="Pushed", callback_url=callback.url, now=NOW)
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset])
    _, fresh = operations.rotate_callback_secret(partner_id=partner.pk, reason="yearly", now=NOW)

    def pushed(revision):
        plan = [PlannedSetpoint(asset_id=asset.pk, starts_at=at("17:00"), ends_at=at("17:15"), power_w=[0])]
        send_setpoints(
            now=NOW,
            aggregation_ean=group.pk,
            order_reference="order-1",
            reason="",
            revision=revision,
            plan=plan,
            deadline_at=at("17:15"),
        )
        deliver_setpoints(clock=clock, http=http)
        headers, body = callback.received[-1]
        return body, dict(headers)

    body, headers = pushed(1)
    for secret in (credentials.callback_secret, fresh):
        Webhook(secret).verify(body, headers)

    Partner.objects.update(retires_at=NOW - timedelta(seconds=1))
    body, headers = pushed(2)
    Webhook(fresh).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(credentials.callback_secret).verify(body, headers)


def test_the_command_rotates_and_needs_a_reason(partner, capsys):
    call_command("partner", "rotate", partner.name, reason="yearly")

    partner.refresh_from_db()
    assert f"callback secret    {partner.callback_secret}" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Say why"):
        call_command("partner", "rotate", partner.name, reason=" ")


def test_a_sandbox_is_made_from_the_shell(db):
    call_command("partner", "create", "Trying out", sandbox=True, json=True)

    assert Partner.objects.get().is_sandbox


def test_a_partner_that_cannot_be_stopped_keeps_no_other_from_being_stopped(partner, other_partner, monkeypatch):
    def broken(*, partner_id, **arguments):
        if partner_id == partner.pk:
            raise RuntimeError("of ours")
        return clear_profiles(partner_id=partner_id, **arguments)

    monkeypatch.setattr(partners, "clear_profiles", broken)

    with pytest.raises(operations.NotAllStopped, match=f"not stopped: {partner.name}"):
        operations.stop_all_partners(reason="odd switching seen", now=NOW)

    assert dict(Partner.objects.values_list("name", "is_stopped")) == {partner.name: False, other_partner.name: True}
