"""Guessing passwords: who is locked out after a few failures, until when, and how a colleague ends it.

django-axes counts the failures per name and address and refuses what comes after them, by the machine's clock.
"""

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from axes.signals import user_locked_out
from axes.utils import reset
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from aggregator.core import audit
from aggregator.core.services import clock
from aggregator.operator.display import clock_time
from aggregator.operator.models import FailedLogIn

THIS_MACHINE = "127.0.0.1"  # a Unix socket tells no address, and nobody else can reach it
TOO_MANY_REQUESTS = 429


class AlreadyUnlocked(Exception):
    """No failures of this name and address are kept any more."""


def client_address(request: HttpRequest) -> str:
    """Return the address that a request comes from.

    `X-Forwarded-For` is read from its end, and believed as far as proxies of `TRUSTED_PROXIES` wrote it.
    """
    address: str = request.META.get("REMOTE_ADDR") or THIS_MACHINE
    for seen in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        if not any(ip_address(address) in network for network in settings.TRUSTED_PROXIES):
            break
        try:
            address = str(ip_address(seen.strip()))
        except ValueError:
            break
    return address


def locked_out(request: Any, _response: HttpResponse | None, credentials: dict[str, Any]) -> HttpResponse:
    """Answer 429 and tell when the next attempt is heard; axes put the address and the moment on the request."""
    username, now = credentials["username"], request.axes_attempt_time
    ends_at = _lock_ends_at(username=username, address=request.axes_ip_address, now=now)
    told = {
        "username": username,
        "limit": settings.AXES_FAILURE_LIMIT,
        "until": clock_time(ends_at + timedelta(minutes=1)),  # told to the minute, and never too early
    }
    answer = render(request, "operator/locked_out.html", told, status=TOO_MANY_REQUESTS)
    answer["Retry-After"] = str(max(1, round((ends_at - now).total_seconds())))
    return answer


def _lock_ends_at(*, username: str, address: str, now: datetime) -> datetime:
    """Return when fewer failures than the limit are left: each browser has a row of its own, which goes by itself."""
    failures, ends_at = 0, now
    for attempt in FailedLogIn.objects.filter(username=username, ip_address=address).order_by("-attempt_time"):
        failures += attempt.failures_since_start
        ends_at = attempt.attempt_time + settings.AXES_COOLOFF_TIME
        if failures >= settings.AXES_FAILURE_LIMIT:
            break
    return ends_at


@receiver(user_locked_out)
def note_lock(request: Any, username: str, ip_address: str, **_: Any) -> None:
    """Note in the audit trail that a lock begins; of names that nobody has, only the log tells."""
    failures = request.axes_failures_since_start  # None: the lock was there already
    user = User.objects.filter(username=username).first()
    if failures and user:
        audit.record(
            now=clock().now(),
            action="auth.user.locked-out",
            subject=user,
            reason=f"{failures} log-ins in a row failed from {ip_address}.",
        )


@transaction.atomic
def unlock(*, attempt: FailedLogIn, reason: str, now: datetime, actor: User) -> None:
    """Forget every failure of the attempt's name at its address; raise `AlreadyUnlocked` where none is left."""
    if not reset(username=attempt.username, ip=attempt.ip_address):
        raise AlreadyUnlocked("Nothing is locked any more.")
    audit.record(
        now=now,
        action="auth.log-in.unlocked",
        subject=attempt,
        actor=actor,
        reason=reason,
        before={"username": attempt.username, "ip_address": attempt.ip_address},
    )
