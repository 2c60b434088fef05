from aggregator.celery import app
from assets import tasks
from assets.models import SetpointBatch
from tests.field_side import make_partner


def test_every_scheduled_task_of_the_field_side_exists_on_a_known_queue():
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    ours = {name: app.conf.task_routes[name]["queue"] for name in scheduled if name.startswith("assets.")}

    assert ours == {
        "assets.tasks.send_setpoints": "dispatch",
        "assets.tasks.send_charging_profiles": "dispatch",
        "assets.tasks.pull_from_ocpi_partners": "default",
        "assets.tasks.judge_setpoints": "default",
        "assets.tasks.maintain_partitions": "default",
        "assets.tasks.drop_old_months": "default",
        "assets.tasks.forget_answers": "default",
    }
    assert {getattr(tasks, name.rpartition(".")[2]).name for name in ours} == ours.keys()


def test_tasks_do_no_harm_when_there_is_nothing_to_do_or_they_run_twice(db):
    make_partner("Idle", callback_url="https://cpo.example/setpoints")

    for _ in range(2):
        tasks.send_setpoints(unknown="of a newer version")
        tasks.send_charging_profiles()
        tasks.pull_from_ocpi_partners()
        tasks.maintain_partitions()
        tasks.drop_old_months()
        tasks.forget_answers()

    assert not SetpointBatch.objects.exists()
