"""A small world to settle in: one group, two partners, assets of every kind, and an order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from oauth2_provider.models import Application

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_range
from assets.models import (
    AggregationEan,
    Asset,
    AssetKind,
    ChargingSession,
    CongestionArea,
    Membership,
    MeterInterval,
    Partner,
)
from assets.operations import maintain_partitions
from bidding.models import Activation, ActivationPtu, Announcement, BaselineNomination, Bid, Direction

LONG_AGO = datetime(2025, 6, 1, tzinfo=UTC)
WINDOW_START = datetime(2026, 1, 14, 17, tzinfo=UTC)  # 18:00 in Amsterdam
LATER = WINDOW_START + timedelta(days=1)
EAN = "871685900012636543"


@dataclass
class World:
    """Makes rows with as little said as a test needs to say."""

    ean: AggregationEan
    announcement: Announcement
    partners: dict[str, Partner] = field(default_factory=dict)

    def partner(self, name: str) -> Partner:
        if name not in self.partners:
            application = Application.objects.create(
                name=name,
                client_type=Application.CLIENT_CONFIDENTIAL,
                authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
            )
            self.partners[name] = Partner.objects.create(
                name=name, application=application, callback_secret="throw-away", created_at=LONG_AGO
            )
        return self.partners[name]

    def asset(
        self,
        name: str,
        *,
        partner: str = "Laadkracht",
        kind: str = AssetKind.CHARGER,
        max_import_w: int = 22_000,
        member_from=LONG_AGO,
        member_to=None,
    ) -> Asset:
        asset = Asset.objects.create(
            partner=self.partner(partner),
            external_id=name,
            kind=kind,
            category=Asset.Category.PUBLIC,
            max_import_w=max_import_w,
            max_export_w=11_000 if kind in {AssetKind.V2G_CHARGER, AssetKind.BATTERY} else 0,
            capacity_wh=100_000 if kind in {AssetKind.BATTERY, AssetKind.HEAT_PUMP} else None,
            registered_at=LONG_AGO,
        )
        Membership.objects.create(asset=asset, aggregation_ean=self.ean, period=(member_from, member_to))
        return asset

    def session(
        self, asset: Asset, *, energy_wh=40_000, power_w=10_000, plug_in_at=WINDOW_START, hours=8, **fields: object
    ):
        values = {
            "external_id": f"{asset.external_id} {plug_in_at:%d %H:%M}",
            "plug_out_at": plug_in_at + timedelta(hours=hours) if hours else None,
            "known_at": plug_in_at,
            "required_energy_wh": energy_wh if hours else None,
            **fields,
        }
        return ChargingSession.objects.create(
            asset=asset,
            plug_in_at=plug_in_at,
            energy_wh=energy_wh,
            max_import_w=power_w,
            **values,
        )

    def meter(
        self, asset: Asset, *net_wh: int | None, start=WINDOW_START, revision=0, known_at=None, quality="measured"
    ):
        """Store one value per PTU from `start`; None leaves a hole, below zero is fed in."""
        maintain_partitions(now=start)
        for number, value in enumerate(net_wh):
            if value is not None:
                MeterInterval.objects.create(
                    asset=asset,
                    starts_at=start + number * PTU,
                    revision=revision,
                    import_wh=max(value, 0),
                    export_wh=max(-value, 0),
                    quality=quality,
                    known_at=known_at or start + (number + 1) * PTU,
                )

    def activation(
        self,
        *ordered_w: int,
        reference="order-1",
        start=WINDOW_START,
        status=Activation.Status.FINISHED,
        direction=Direction.REDUCE,
        price="180.00",
        nominated_w: tuple[int, ...] = (),
    ) -> Activation:
        end = start + len(ordered_w) * PTU
        if Bid.objects.filter(announcement=self.announcement).exists():
            self.announcement = Announcement.objects.create(
                external_id=f"announcement {reference}",
                revision=1,
                known_at=LONG_AGO,
                congestion_area=self.ean.congestion_area,
                direction=direction,
                starts_at=start,
                ends_at=end,
                required_power_w=list(ordered_w),
                document={},
            )
        bid = Bid.objects.create(
            announcement=self.announcement,
            aggregation_ean=self.ean,
            direction=direction,
            starts_at=start,
            ends_at=end,
            power_w=200_000,
            min_power_w=100_000,
            step_w=100_000,
            price_eur_per_mwh=Decimal("175.00"),
            reliability=Decimal("0.95"),
            explanation={},
            status=Bid.Status.CLEARED,
            cleared_power_w=200_000,
            cleared_price_eur_per_mwh=Decimal(price),
            created_at=LONG_AGO,
            updated_at=LONG_AGO,
        )
        BaselineNomination.objects.bulk_create(
            BaselineNomination(
                aggregation_ean=self.ean, bid=bid, ptu_start=start + n * PTU, power_w=w, known_at=LONG_AGO
            )
            for n, w in enumerate(nominated_w)
        )
        activation = Activation.objects.create(
            reference=reference,
            bid=bid,
            aggregation_ean=self.ean,
            direction=direction,
            starts_at=start,
            ends_at=end,
            status=status,
            ordered_at=LONG_AGO,
            updated_at=LONG_AGO,
        )
        ActivationPtu.objects.bulk_create(
            ActivationPtu(activation=activation, ptu_start=ptu, ordered_w=power_w)
            for ptu, power_w in zip(ptu_range(Interval(start, end)), ordered_w, strict=True)
        )
        return activation


def make_world() -> World:
    area = CongestionArea.objects.create(
        code="utrecht-oost", name="Utrecht Oost", grid_operator="8716871000002", postcodes=["3511"]
    )
    ean = AggregationEan.objects.create(
        ean=EAN, name="Utrecht public", congestion_area=area, brp="8716871000002", partner_share=Decimal("0.7000")
    )
    announcement = Announcement.objects.create(
        external_id="announcement-1",
        revision=1,
        known_at=LONG_AGO,
        congestion_area=area,
        direction=Direction.REDUCE,
        starts_at=WINDOW_START,
        ends_at=WINDOW_START + 12 * PTU,
        required_power_w=[1_000_000] * 12,
        document={},
    )
    return World(ean=ean, announcement=announcement)


@pytest.fixture
def world(db) -> Iterator[World]:
    return make_world()


def ptu_values(delivery, *names: str):
    return list(delivery.ptus.order_by("ptu_start").values_list(*names))
