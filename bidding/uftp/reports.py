"""What contracts let operators see: the group's expected power the day before, and its metered energy afterwards."""

import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from django.conf import settings
from django.db import transaction

from aggregator.core.isolation import failing_alone
from aggregator.core.ptu import MARKET_ZONE, PTU, day_interval, ptus_of_day
from assets.energy import group_readings
from assets.models import AggregationEan
from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.vocabulary import MeteringUnit, Profile
from bidding.models import Contract, UftpMessage
from bidding.operations.sizing import expected_w
from bidding.uftp.agreements import congestion_point_of
from bidding.uftp.demands import is_active
from bidding.uftp.sending import ANSWER_WITHIN, metadata, send

logger = logging.getLogger(__name__)

METERED_FOR = timedelta(days=10)
"""So long after a called day its meter values, and their corrections, are passed on."""
KWH = Decimal("0.001")


def send_reports(*, now: datetime) -> int:
    """Send every prognosis and metering message that is due and was not sent; return how many.

    A contract that fails is logged and holds up no other; the next round tries it again.
    """
    sent = 0
    for wanted, send_due in (("sends_prognosis", _send_prognosis), ("sends_metering", _send_metering)):
        for pk in Contract.objects.filter(**{wanted: True}).order_by("pk").values_list("pk", flat=True):
            sent += _of_contract(pk, send_due, now)
    return sent


def _of_contract(pk: int, send_due: Callable[[Contract, datetime], int], now: datetime) -> int:
    sent = 0
    failing = failing_alone(logger, "Unable to report on contract %s; it is tried again. Mend the cause.", pk)
    with failing, transaction.atomic():
        contract = Contract.objects.select_related("dso", "aggregation_ean").get(pk=pk)
        at_its_place = contract.dso.contracts.filter(congestion_point=contract.congestion_point)
        list(at_its_place.select_for_update().order_by("pk"))  # keeps a second worker from sending the same
        sent += send_due(contract, now)
    return sent


def _send_prognosis(contract: Contract, now: datetime) -> int:
    """Send tomorrow's expected power once, from the hour that is set, so that it is there when calls are made."""
    local = now.astimezone(MARKET_ZONE)
    day = local.date() + timedelta(days=1)
    if local.time() < settings.UFTP_PROGNOSIS_AT or not is_active(contract, day) or _last(contract, m.DPrognosis, day):
        return 0
    period = day_interval(day)
    of_groups = [
        expected_w(aggregation_ean=group, period=period, now=now)
        for group in _groups_at(contract, "sends_prognosis", day)
    ]
    message = m.DPrognosis(
        **metadata(contract.dso, now=now),
        isp_duration=PTU,
        time_zone=MARKET_ZONE.key,
        period=day,
        congestion_point=congestion_point_of(contract),
        revision=1,
        isps=_isps([sum(powers_w) for powers_w in zip(*of_groups, strict=True)]),
    )
    send(participant=contract.dso, message=message, now=now, deadline_at=period.starts_at, void_from=period.starts_at)
    return 1


def _groups_at(contract: Contract, wanted: str, day: date) -> list[AggregationEan]:
    """Return the groups that are reported together, as those of one place: of all contracts there that want it."""
    there = contract.dso.contracts.filter(congestion_point=contract.congestion_point, **{wanted: True})
    eans = {one.aggregation_ean_id for one in there if is_active(one, day)}
    return list(AggregationEan.objects.filter(pk__in=eans).order_by("pk"))


def _isps(power_w: list[int]) -> tuple[m.PrognosisIsp, ...]:
    """Join PTUs of the same power."""
    isps, start = [], 1
    for power, alike in groupby(power_w):
        duration = len(list(alike))
        isps.append(m.PrognosisIsp(power_w=power, start=start, duration=duration))
        start += duration
    return tuple(isps)


def _send_metering(contract: Contract, now: datetime) -> int:
    """Send each called day whose meter values are all there, and again as a new revision when they changed."""
    today = now.astimezone(MARKET_ZONE).date()
    days = (
        contract.calls.filter(day__lt=today, day__gte=today - METERED_FOR).order_by("day").values_list("day", flat=True)
    )
    return sum(_send_day(contract, day, now) for day in days.distinct())


def _send_day(contract: Contract, day: date, now: datetime) -> int:
    profiles = _profiles(contract, day)
    last = _last(contract, s.Metering, day)
    before = parse(bytes(last.document)) if last else None
    if profiles is None or (isinstance(before, s.Metering) and before.profiles == profiles):
        return 0
    message = s.Metering(
        **metadata(contract.dso, now=now),
        revision=(last.revision or 0) + 1 if last else 1,
        isp_duration=PTU,
        time_zone=MARKET_ZONE.key,
        period=day,
        ean=_meter_ean(contract),
        profiles=profiles,
    )
    send(participant=contract.dso, message=message, now=now, deadline_at=now + ANSWER_WITHIN)
    return 1


def _profiles(contract: Contract, day: date) -> tuple[s.MeteringProfile, ...] | None:
    """Return what the assets at a contract's place took and fed in, in kWh per PTU; None while a value is missing."""
    of_groups = [
        group_readings(aggregation_ean=group.pk, ptu_starts=ptus_of_day(day))
        for group in _groups_at(contract, "sends_metering", day)
    ]
    if any(not one.is_member.any() or (one.is_member & ~one.has_meter_value).any() for one in of_groups):
        return None
    import_wh = sum((one.import_wh * one.is_member).sum(axis=0) for one in of_groups)
    export_wh = sum((one.export_wh * one.is_member).sum(axis=0) for one in of_groups)
    return tuple(
        s.MeteringProfile(
            profile_type=profile,
            unit=MeteringUnit.KWH,
            isps=tuple(
                s.MeteringIsp(start=ptu, value=(Decimal(int(wh)) / 1000).quantize(KWH))
                for ptu, wh in enumerate(energy_wh, start=1)
            ),
        )
        for profile, energy_wh in ((Profile.IMPORT_ENERGY, import_wh), (Profile.EXPORT_ENERGY, export_wh))
    )


def _last(contract: Contract, kind: type[m.DPrognosis | s.Metering], day: date) -> UftpMessage | None:
    """Return the newest message of a kind about the contract's place and a day."""
    place = congestion_point_of(contract) if kind is m.DPrognosis else _meter_ean(contract)
    return (
        contract.dso.messages.filter(way=UftpMessage.Way.SENT, element=kind.element, period=day, congestion_point=place)
        .order_by("-revision", "-pk")
        .first()
    )


def _meter_ean(contract: Contract) -> str:
    return f"E{contract.congestion_point}"
