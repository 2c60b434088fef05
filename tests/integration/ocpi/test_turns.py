"""How long a partner's turn lasts, and when the next one comes."""

import time
from datetime import timedelta

from assets.models import OcpiConnection
from assets.ocpi.pulling import due, pull
from tests.field_side import NOW


def test_a_turn_ends_in_time_and_says_that_it_goes_on(platform, connection, clock, http):
    whole_answer = platform._answer

    def slow(request):
        time.sleep(0.1)
        return whole_answer(request)

    platform._answer = slow

    assert pull(connection_id=connection.pk, clock=clock, http=http, lasts=timedelta(seconds=0.25))

    connection.refresh_from_db()
    assert "Its turn is over" in connection.pull_error
    assert connection.pulled_at == NOW
    assert len(platform.received) < 9  # of the locations, and of each day of eight weeks


def test_a_fetch_that_is_asked_for_while_one_runs_is_due_after_it(platform, connection, clock, http):
    class AskedForMeanwhile:
        def request(self, **given):
            OcpiConnection.objects.update(pulled_at=None)  # as a session that the platform knows no more does
            return http.request(**given)

    OcpiConnection.objects.update(pulled_at=NOW - timedelta(minutes=15))

    assert pull(connection_id=connection.pk, clock=clock, http=AskedForMeanwhile())

    assert due(now=NOW) == [connection.pk]
