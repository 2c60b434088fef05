"""Background work as rows."""

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.core.jobs import ABANDONED_AFTER, AlreadyRunning, job
from aggregator.core.models import Job
from tests.standing_clock import StandingClock

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 14, 15, tzinfo=UTC)


@pytest.mark.parametrize("end", [ValueError("no such thing"), KeyboardInterrupt("Ctrl-C"), SystemExit("stop")])
def test_a_job_that_ends_badly_says_so_and_lets_the_next_one_run(end):
    clock = StandingClock(START)
    with pytest.raises(type(end)), job(kind="k", key="1", clock=clock):
        raise end
    failed = Job.objects.get()
    assert (failed.status, failed.error) == (Job.Status.FAILED, f"{type(end).__name__}: {end}")
    assert failed.finished_at == START
    with job(kind="k", key="1", clock=clock) as row:
        row.summary = "Nothing to do."
    assert Job.objects.latest("pk").status == Job.Status.DONE


def test_one_job_of_a_kind_and_key_runs_until_it_counts_as_abandoned():
    clock = StandingClock(START)
    Job.objects.create(kind="k", key="1", status=Job.Status.RUNNING, started_at=START)
    with pytest.raises(AlreadyRunning, match="wait for it"), job(kind="k", key="1", clock=clock):
        pass
    clock.instant += ABANDONED_AFTER + timedelta(seconds=1)
    with job(kind="k", key="1", clock=clock):
        pass
    assert [row.status for row in Job.objects.order_by("pk")] == [Job.Status.FAILED, Job.Status.DONE]
