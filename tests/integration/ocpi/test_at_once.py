"""Setpoints, sessions and the kill switch at the same moment: whichever commits last sees the other."""

import pytest

from assets import operations
from assets.models import OcpiSession, ProfileCommand
from assets.ocpi.receiving import take_session
from tests.field_side import NOW, enrol
from tests.integration.ocpi.cpo_platform import session
from tests.integration.ocpi.profile_side import tell
from tests.waiting import in_turn

pytestmark = pytest.mark.usefixtures("transactional_db")
Status = ProfileCommand.Status


@pytest.fixture
def empty_place(transactional_db, evse_e1, group):
    """The asset of EVSE E1, in the group, without a car."""
    enrol(group, [evse_e1.asset])
    return evse_e1.asset


@pytest.mark.parametrize("car_comes_first", [True, False])
def test_a_car_that_comes_while_setpoints_are_sent_is_told(empty_place, connection, car_comes_first):
    acts = [
        lambda: take_session(connection_id=connection.pk, document=session(), now=NOW),
        lambda: tell(empty_place, (0, 0)),
    ]

    in_turn(*(acts if car_comes_first else reversed(acts)))

    assert ProfileCommand.objects.get().status == Status.WAITING


def test_the_kill_switch_also_withdraws_what_a_car_is_told_at_that_moment(empty_place, connection, partner):
    tell(empty_place, (0, 0))

    in_turn(
        lambda: take_session(connection_id=connection.pk, document=session(), now=NOW),
        lambda: operations.stop_partner(partner_id=partner.pk, reason="odd switching seen", now=NOW),
    )

    assert OcpiSession.objects.get().status == "ACTIVE"
    assert ProfileCommand.objects.get().status == Status.WITHDRAWN
