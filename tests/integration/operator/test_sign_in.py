"""Guessing a password: the real page for logging in, with the addresses that a web server would tell it."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.conf import settings as project
from django.core.management import call_command

from aggregator.core.models import AuditEvent
from aggregator.operator.display import clock_time
from aggregator.operator.models import FailedLogIn

PASSWORD = "throw-away"
PROXY = "10.0.0.5"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def sign_in(client, operator):
    def post(password, *, username="operator", address="192.0.2.7", **headers):
        fields = {"username": username, "password": password, "next": "/admin/"}
        return client.post("/admin/login/", fields, REMOTE_ADDR=address, headers=headers)

    return post


def guess(sign_in, number=project.AXES_FAILURE_LIMIT, **more):
    return [sign_in("wrong", **more) for _ in range(number)][-1]


def is_in(answer):
    return answer.status_code == 302


def test_after_a_few_wrong_passwords_the_right_one_waits_and_the_page_says_until_when(sign_in):
    assert guess(sign_in, project.AXES_FAILURE_LIMIT - 1).status_code == 200
    last = guess(sign_in, 1)
    answer = sign_in(PASSWORD)

    until = clock_time(FailedLogIn.objects.get().attempt_time + project.AXES_COOLOFF_TIME + MINUTE)
    for page in (last, answer):
        text = page.content.decode()
        assert page.status_code == 429
        assert 0 < int(page["Retry-After"]) <= project.AXES_COOLOFF_TIME.total_seconds()
        assert "“operator”" in text
        assert f"again from {until}, Dutch time" in text
    assert "sessionid" not in answer.cookies


def test_the_same_name_elsewhere_and_another_name_here_are_not_locked(sign_in, django_user_model):
    django_user_model.objects.create_superuser("colleague", password=PASSWORD)
    guess(sign_in)
    assert is_in(sign_in(PASSWORD, address="192.0.2.8"))
    assert is_in(sign_in(PASSWORD, username="colleague"))


def test_a_name_that_nobody_has_is_locked_in_the_same_words(sign_in):
    answer = guess(sign_in, username="nobody")
    assert answer.status_code == 429
    assert "“nobody”" in answer.content.decode()


def test_a_lock_ends_by_itself_and_refused_attempts_do_not_prolong_it(sign_in):
    guess(sign_in)
    began = FailedLogIn.objects.get().attempt_time - project.AXES_COOLOFF_TIME + timedelta(seconds=30)
    FailedLogIn.objects.update(attempt_time=began)
    assert sign_in("wrong").status_code == 429
    assert FailedLogIn.objects.get().attempt_time == began

    FailedLogIn.objects.update(attempt_time=began - timedelta(seconds=31))
    assert is_in(sign_in(PASSWORD))


def test_failures_in_several_browsers_count_together_and_the_page_names_the_moment_that_frees(sign_in):
    for number in range(project.AXES_FAILURE_LIMIT):
        answer = guess(sign_in, 1, **{"User-Agent": f"Browser {number}"})
    oldest = FailedLogIn.objects.order_by("attempt_time").first()
    FailedLogIn.objects.filter(pk=oldest.pk).update(attempt_time=oldest.attempt_time - 10 * MINUTE)
    until = clock_time(oldest.attempt_time - 10 * MINUTE + project.AXES_COOLOFF_TIME + MINUTE)
    answer = sign_in(PASSWORD)
    assert answer.status_code == 429
    assert f"again from {until}, Dutch time" in answer.content.decode()


def test_getting_in_wipes_the_failures(sign_in):
    guess(sign_in, project.AXES_FAILURE_LIMIT - 1)
    assert is_in(sign_in(PASSWORD))
    assert guess(sign_in, project.AXES_FAILURE_LIMIT - 1).status_code == 200


def test_what_a_stranger_says_of_its_address_is_not_believed(sign_in):
    for number in range(project.AXES_FAILURE_LIMIT):
        answer = guess(sign_in, 1, **{"X-Forwarded-For": f"198.51.100.{number}"})
    assert answer.status_code == 429
    assert FailedLogIn.objects.get().ip_address == "192.0.2.7"


@pytest.mark.parametrize("socket", [PROXY, ""], ids=["over TCP", "over a Unix socket"])
def test_behind_a_trusted_proxy_the_address_that_it_saw_counts(sign_in, settings, socket):
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/24"), ip_network("127.0.0.1")]
    for number in range(project.AXES_FAILURE_LIMIT):
        seen = {"X-Forwarded-For": f"198.51.100.{number}, 192.0.2.7, {PROXY}"}  # the first is what the guesser claims
        answer = guess(sign_in, 1, address=socket, **seen)
    assert answer.status_code == 429
    assert FailedLogIn.objects.get().ip_address == "192.0.2.7"
    assert is_in(sign_in(PASSWORD, address=socket, **{"X-Forwarded-For": "192.0.2.8"}))


@pytest.mark.parametrize("claim", ["", "nonsense", "192.0.2.9:4711"])
def test_a_proxy_that_passes_no_address_on_stands_for_everybody_behind_it(sign_in, settings, claim):
    settings.TRUSTED_PROXIES = [ip_network(PROXY)]
    assert guess(sign_in, address=PROXY, **{"X-Forwarded-For": claim}).status_code == 429
    assert FailedLogIn.objects.get().ip_address == PROXY


def test_the_audit_trail_tells_of_a_lock_once(sign_in):
    guess(sign_in, project.AXES_FAILURE_LIMIT + 3)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name) == ("auth.user.locked-out", "system")
    assert event.reason == "5 log-ins in a row failed from 192.0.2.7."


def test_a_colleague_unlocks_with_a_reason(sign_in, client, colleague):
    for browser in ("Firefox", "Chromium"):
        guess(sign_in, 3, **{"User-Agent": browser})
    helper = colleague("operator.view_failedlogin", "operator.change_failedlogin")
    client.force_login(helper)
    attempt = FailedLogIn.objects.first()
    shown = client.get("/admin/operator/failedlogin/").content.decode()
    assert "192.0.2.7" in shown
    act = {"action": "unlock", "_selected_action": [attempt.pk]}
    assert "Unlock" in client.post("/admin/operator/failedlogin/", act).content.decode()
    client.post("/admin/operator/failedlogin/", act | {"reason": "New keyboard."})

    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor_name, event.reason) == ("auth.log-in.unlocked", helper.username, "New keyboard.")
    assert is_in(sign_in(PASSWORD))


def test_the_only_administrator_unlocks_on_a_terminal(sign_in, capsys):
    guess(sign_in)
    call_command("axes_reset_username", "operator")
    assert "1 attempts removed" in capsys.readouterr().out
    assert is_in(sign_in(PASSWORD))
