"""Following TenneT: a plan of a group whose order changed, which a cycle does not wait for, and the cycle itself."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from aggregator.core.ptu import PTU
from tests.benchmarks.report import Report
from tests.benchmarks.served import bench_database

STARTS_AT = datetime(2026, 1, 14, 16, tzinfo=UTC)
EARLIER_SESSIONS = 10
PART_W = 3_000_000


def run(report: Report) -> None:
    """Measure a rise from 0, a change of a tenth, going back to 0, and what a cycle does in the database."""
    cars = 100 if report.quick else 1_000
    with bench_database():
        order = _called(cars, part_w=PART_W * cars // 1_000)
        part_w, now = PART_W * cars // 1_000, STARTS_AT + timedelta(minutes=2)
        for number, (what, asked_w) in enumerate(
            [("from 0 to half", part_w // 2), ("a tenth more", part_w * 6 // 10), ("back to 0", 0)]
        ):
            at = now + timedelta(minutes=number)
            report.row(
                name=f"plan of {cars:,} cars, {what}: read, decided, checked, stored",
                ours_s=_took(lambda asked_w=asked_w, at=at: order.plan(asked_w, at)),
                target="<= 4 s",
                note=f"{order.told} setpoints; a TenneT cycle is 4 s",
            )
        report.row(
            name=f"a cycle over {cars:,} cars without TenneT's answers: setpoint kept and ordered, power measured",
            ours_s=min(_took(lambda at=at: order.cycle(at)) for at in _cycles(now + timedelta(minutes=5))),
            target="<= 0.4 s",
            note="a tenth of a cycle; best of 10",
        )


def _cycles(first: datetime) -> list[datetime]:
    return [first + number * timedelta(seconds=4) for number in range(10)]


def _took(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _called(cars: int, *, part_w: int) -> "_Order":
    from assets.models import AggregationEan, AssetState, ChargingSession  # noqa: PLC0415 - needs Django set up
    from bidding.models import Activation, ActivationPtu  # noqa: PLC0415 - same
    from tests.field_side import (  # noqa: PLC0415 - same
        GROUP_EAN,
        charger,
        enrol,
        make_area,
        make_assets,
        make_group,
        make_partner,
    )

    partner = make_partner("Bench")
    make_group(make_area())
    assets = make_assets(partner, [charger(f"NL-UTR-{number:06d}", pausing="can_pause") for number in range(cars)])
    enrol(AggregationEan.objects.get(pk=GROUP_EAN), assets, starts_at=STARTS_AT - timedelta(days=30))
    came_at = STARTS_AT - timedelta(minutes=40)
    ChargingSession.objects.bulk_create(
        ChargingSession(
            asset=asset,
            external_id=f"{asset.pk}-{days}",
            plug_in_at=came_at - timedelta(days=days),
            plug_out_at=came_at + timedelta(hours=12) - timedelta(days=days) if days else None,
            energy_wh=40_000 if days else 0,
            max_import_w=11_000,
            known_at=STARTS_AT,
        )
        for asset in assets
        for days in range(EARLIER_SESSIONS + 1)
    )
    AssetState.objects.bulk_create(
        AssetState(asset=asset, at=STARTS_AT, power_w=11_000, is_plugged_in=True) for asset in assets
    )
    activation = Activation.objects.create(
        reference="afrr-bench",
        is_balancing=True,
        aggregation_ean_id=GROUP_EAN,
        direction="reduce",
        starts_at=STARTS_AT,
        ends_at=STARTS_AT + 3 * PTU,
        ordered_at=STARTS_AT,
        updated_at=STARTS_AT,
    )
    ActivationPtu.objects.bulk_create(
        ActivationPtu(activation=activation, ptu_start=STARTS_AT + number * PTU, ordered_w=0, part_w=part_w)
        for number in range(3)
    )
    return _Order(activation.pk)


class _Order:
    def __init__(self, activation_id: int) -> None:
        self._activation_id, self._sequence, self.told = activation_id, 0, 0

    def plan(self, asked_w: int, now: datetime) -> None:
        """Do what the worker does once it is handed the group."""
        from bidding.dispatch.operations import run_activation  # noqa: PLC0415 - needs Django set up

        self._keep(asked_w, now)
        self.told = run_activation(activation_id=self._activation_id, now=now)

    def cycle(self, now: datetime) -> None:
        """Do what the follower does, without the two requests."""
        from bidding.dispatch.balancing.measuring import measure  # noqa: PLC0415 - needs Django set up

        measure(self._keep(self._sequence * 1_000, now), now=now)

    def _keep(self, asked_w: int, now: datetime) -> list:
        from bidding.dispatch.balancing.orders import give_orders  # noqa: PLC0415 - needs Django set up
        from bidding.dispatch.balancing.signals import note_setpoint  # noqa: PLC0415 - same
        from bidding.markets.afrr.real_time import Setpoint  # noqa: PLC0415 - same

        self._sequence += 1
        setpoint = Setpoint(self._sequence, now, Decimal(asked_w) / 1_000_000, is_valid=True)
        note_setpoint(setpoint, longest_age=timedelta(seconds=12))
        return list(give_orders(delta_w=setpoint.delta_w, now=now).rows)
