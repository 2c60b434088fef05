"""An evening at the aggregator: one of everything, or as many as a test asks for."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from oauth2_provider.models import Application

from aggregator.core import audit
from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.ean import Ean13, Ean18
from aggregator.core.models import Breaker, DeliveryAttempt, InboxMessage, Job, OutboxMessage
from aggregator.core.ptu import PTU
from aggregator.core.services import clock
from aggregator.operator.models import FailedLogIn
from assets.models import (
    AggregationEan,
    AnsweredRequest,
    Asset,
    AssetState,
    ChargingSession,
    CommunicationTest,
    CongestionArea,
    Declaration,
    Membership,
    MeterInterval,
    OcpiConnection,
    OcpiEdge,
    OcpiEvse,
    OcpiLocation,
    OcpiParty,
    OcpiSession,
    OcpiToken,
    OcpiUnknownEvse,
    Partner,
    ProfileCommand,
    Setpoint,
    SetpointBatch,
    SteeringLimit,
)
from assets.operations import maintain_partitions
from bidding.markets.uftp.vocabulary import Role
from bidding.models import (
    Activation,
    ActivationPtu,
    ActivationSample,
    Announcement,
    BalancingBid,
    BalancingHeadroom,
    BalancingPtu,
    BalancingSignal,
    BaselineNomination,
    Bid,
    BidDutyContract,
    Commitment,
    Contract,
    ContractCall,
    ContractCallPtu,
    ContractReservation,
    DayAheadPrice,
    DispatchAlarm,
    Duty,
    LedgerEntry,
    Mandate,
    NoBid,
    OrderChange,
    OutdoorTemperature,
    OwnKey,
    PauseTest,
    PricingPolicy,
    SurplusOrder,
    UftpMessage,
    UftpParticipant,
    UftpPublicKey,
    UseCost,
)
from settlement.balancing.operations import keep
from settlement.models import (
    Delivery,
    DeliveryPtu,
    DeliveryShare,
    OperatorSettlement,
    Statement,
    StatementCharge,
    StatementLine,
)
from tests.balancing_settlements import DAY, settled_day

NOW = datetime(2026, 1, 14, 16, 20, tzinfo=UTC)  # 17:20 in Amsterdam
WINDOW_START = datetime(2026, 1, 14, 16, tzinfo=UTC)
WINDOW_END = WINDOW_START + timedelta(hours=1)
LONG_AGO = datetime(2025, 6, 1, tzinfo=UTC)
DUTCH_JUNE = LONG_AGO - timedelta(hours=2)
GRID_OPERATOR = Ean13("8716892000005")


@dataclass
class Evening:
    """Makes rows with as little said as a test needs to say."""

    area: CongestionArea
    groups: list[AggregationEan] = field(default_factory=list)
    partners: list[Partner] = field(default_factory=list)
    assets: list[Asset] = field(default_factory=list)

    def partner(self, **fields):
        name = fields.pop("name", f"Partner {len(self.partners) + 1}")
        application = Application.objects.create(
            name=name,
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        )
        made = Partner.objects.create(
            name=name, application=application, callback_secret="throw-away", created_at=LONG_AGO, **fields
        )
        self.partners.append(made)
        return made

    def group(self, **fields):
        number = len(self.groups) + 1
        values = {"name": f"Group {number}", "congestion_area": self.area, "price_eur_per_mwh": Decimal(180)} | fields
        made = AggregationEan.objects.create(
            ean=Ean18.from_body(f"8716851{number:010d}"), brp=Ean13.from_body("871999900001"), **values
        )
        self.groups.append(made)
        return made

    def asset(self, *, group, partner, **fields):
        values = {"kind": "charger", "category": "public", "max_import_w": 11_000} | fields
        made = Asset.objects.create(
            partner=partner, external_id=f"charger-{len(self.assets) + 1}", registered_at=LONG_AGO, **values
        )
        Membership.objects.create(asset=made, aggregation_ean=group, period=(LONG_AGO, None))
        self.assets.append(made)
        return made

    def announcement(self, external_id, **fields):
        values = {
            "revision": 1,
            "known_at": LONG_AGO,
            "congestion_area": self.area,
            "postcodes": fields.get("congestion_area", self.area).postcodes,
            "direction": "reduce",
            "starts_at": WINDOW_START,
            "ends_at": WINDOW_END,
            "required_power_w": [900_000] * 4,
            "document": {},
        }
        return Announcement.objects.create(external_id=external_id, **(values | fields))

    def bid(self, *, announcement, group, **fields):
        values = {
            "power_w": 200_000,
            "min_power_w": 100_000,
            "step_w": 100_000,
            "price_eur_per_mwh": Decimal("180.00"),
            "reliability": Decimal("0.95"),
            "explanation": {"reason": "200 kW holds in 95 % of the scenarios.", "curve": [[0.5, 280.0], [0.95, 210.5]]},
            "status": Bid.Status.CLEARED,
        }
        return Bid.objects.create(
            announcement=announcement,
            aggregation_ean=group,
            direction=announcement.direction,
            starts_at=announcement.starts_at,
            ends_at=announcement.ends_at,
            created_at=LONG_AGO,
            updated_at=LONG_AGO,
            **(values | fields),
        )

    def commit(self, bid, *, sellable_w):
        for ptu in _ptus(bid):
            entry = LedgerEntry.objects.create(
                aggregation_ean=bid.aggregation_ean, ptu_start=ptu, direction=bid.direction, sellable_w=sellable_w
            )
            Commitment.objects.create(entry=entry, bid=bid, power_w=bid.power_w, committed_at=LONG_AGO)

    def activation(self, bid, *, expected_w=500_000, **fields):
        made = Activation.objects.create(
            bid=bid,
            aggregation_ean=bid.aggregation_ean,
            direction=bid.direction,
            starts_at=bid.starts_at,
            ends_at=bid.ends_at,
            ordered_at=LONG_AGO,
            updated_at=LONG_AGO,
            **({"reference": f"order-{bid.pk}", "status": Activation.Status.RUNNING} | fields),
        )
        for ptu in _ptus(bid):
            ActivationPtu.objects.create(activation=made, ptu_start=ptu, ordered_w=bid.power_w)
            BaselineNomination.objects.create(
                aggregation_ean=bid.aggregation_ean, bid=bid, ptu_start=ptu, power_w=expected_w, known_at=LONG_AGO
            )
        return made

    def meter(self, asset, starts_at, import_wh, *, export_wh=0, revision=0, quality="measured"):
        maintain_partitions(now=starts_at)
        return MeterInterval.objects.create(
            asset=asset,
            starts_at=starts_at,
            revision=revision,
            import_wh=import_wh,
            export_wh=export_wh,
            quality=quality,
            known_at=starts_at + PTU + revision * PTU,
        )

    def setpoint(self, asset, *, group, status, reference="order-x", created_at=NOW, revision=1):
        batch, _ = SetpointBatch.objects.get_or_create(
            partner=asset.partner,
            order_reference=reference,
            revision=revision,
            defaults={"aggregation_ean": group, "created_at": created_at},
        )
        return Setpoint.objects.create(
            batch=batch, asset=asset, starts_at=WINDOW_START, ends_at=WINDOW_END, power_w=[0] * 4, status=status
        )

    def message(self, key, **fields):
        values = {
            "channel": "exchange",
            "conversation": key,
            "created_at": NOW - timedelta(minutes=20),
            "next_attempt_at": NOW,
            "deadline_at": NOW + timedelta(minutes=10),
        }
        return OutboxMessage.objects.create(
            idempotency_key=key, method="POST", url="https://exchange.example/orders", body=b"{}", **(values | fields)
        )

    def delivery(self, activation, *, paid_wh, version=1, price="180.00"):
        """Add a delivery of what partners are paid for, all of it in the first quarter hour."""
        made = Delivery.objects.create(
            activation=activation,
            version=version,
            baseline_method="arrival",
            calculated_at=NOW,
            ordered_wh=200_000,
            delivered_wh=sum(paid_wh.values()),
            completeness=1,
            partner_share=Decimal("0.7"),
            confirmed_at=NOW,
        )
        self.delivered_ptu(made, activation.starts_at, paid_wh=paid_wh, price=price)
        return made

    def delivered_ptu(self, delivery, start, *, paid_wh, price):
        ptu = DeliveryPtu.objects.create(
            delivery=delivery,
            ptu_start=start,
            ordered_w=200_000,
            baseline_w=500_000,
            metered_w=300_000,
            delivered_w=200_000,
            price_eur_per_mwh=Decimal(price),
        )
        for partner, energy_wh in paid_wh.items():
            DeliveryShare.objects.create(ptu=ptu, partner=partner, paid_wh=energy_wh)

    def called_contract(self, group, *, number):
        """Add a contract with the order that called it, its operator's key and one of ours."""
        dso = UftpParticipant.objects.create(
            domain=f"dso-{number}.example.com", role=Role.DSO.value, source=UftpParticipant.Source.BY_HAND
        )
        UftpPublicKey.objects.create(participant=dso, text=f"key-{number}", valid_from=LONG_AGO)
        OwnKey.objects.create(
            public_key=f"own-{number}", sealed_private_key=b"", signs_from=LONG_AGO, created_at=LONG_AGO
        )
        contract = Contract.objects.create(
            contract_id=f"CBC-{number}",
            kind=Contract.Kind.CLC_A,
            dso=dso,
            aggregation_ean=group,
            congestion_point=group.ean,
            volume_w=100_000,
            price_eur_per_mwh=Decimal(150),
            active_from=LONG_AGO.date(),
        )
        order = UftpMessage.objects.create(
            participant=dso,
            way=UftpMessage.Way.RECEIVED,
            element="FlexOrder",
            message_id=f"order-{number}",
            conversation_id=f"conversation-{number}",
            document=b"<FlexOrder/>",
            at=NOW,
        )
        call = ContractCall.objects.create(
            contract=contract,
            message=order,
            order_reference=f"order-{number}",
            day=WINDOW_START.date(),
            direction="reduce",
            starts_at=WINDOW_START,
            ends_at=WINDOW_END,
            called_at=NOW,
        )
        ContractCallPtu.objects.create(call=call, ptu_start=WINDOW_START, power_w=400_000, max_import_w=400_000)
        ContractReservation.objects.create(contract=contract, ptu_start=WINDOW_START, power_w=90_000, message=order)
        OperatorSettlement.objects.create(
            message=order, order_reference=call.order_reference, day=call.day, call=call, currency="EUR",
            their_net=Decimal("1.90"), dispute_reason="NetSettlement differs", checked_at=NOW,
        )  # fmt: skip
        return contract

    def interfaces(self, asset, setpoint, *, number):
        """Add a partner's OCPI connection with all that hangs on it, a communication test and a kept answer."""
        connection = OcpiConnection.objects.create(partner=asset.partner)
        OcpiParty.objects.create(connection=connection, country_code="NL", party_id=f"{number:03d}")
        OcpiToken.objects.create(
            connection=connection, purpose=OcpiToken.Purpose.choices[0][0], lookup_id=f"token-{number}",
            secret_sha256="5" * 64, created_at=LONG_AGO,
        )  # fmt: skip
        OcpiLocation.objects.create(connection=connection, key=f"loc-{number}", document={}, last_updated=NOW)
        evse = OcpiEvse.objects.create(
            connection=connection, asset=asset, key=f"evse-{number}", status="CHARGING", phases=3,
            is_profile_capable=True, defines_asset=True, last_updated=NOW,
        )  # fmt: skip
        session = OcpiSession.objects.create(
            connection=connection, evse=evse, key=f"s-{number}", session_id=f"S-{number}", status="ACTIVE",
            last_updated=NOW,
        )  # fmt: skip
        ProfileCommand.objects.create(
            session=session, kind=ProfileCommand.Kind.CLEAR, reference=f"r-{number}", created_at=NOW,
            next_attempt_at=NOW, deadline_at=NOW + PTU,
        )  # fmt: skip
        OcpiUnknownEvse.objects.create(connection=connection, key=f"unknown-{number}", missed_since=NOW)
        OcpiEdge.objects.create(asset=asset, session_key=f"s-{number}", starts_at=NOW, import_wh=1, export_wh=0)
        CommunicationTest.objects.create(setpoint=setpoint, before_w=7_400)
        AnsweredRequest.objects.create(
            partner=asset.partner, key=f"key-{number}", fingerprint="", answered_at=NOW, status=200,
            content_type="application/json",
        )  # fmt: skip

    def terms(self, group, bid, actor):
        """Add the terms on which a group bids, and a change of an order."""
        entered = {"entered_by": actor, "entered_at": LONG_AGO, "active_from": LONG_AGO}
        Mandate.objects.create(aggregation_ean=group, automatic_up_to_w=500_000, **entered)
        PricingPolicy.objects.create(aggregation_ean=group, wear_eur_per_kwh=Decimal("0.05"), **entered)
        BidDutyContract.objects.create(contract_id="BP-1", aggregation_ean=group, active_from=LONG_AGO.date())
        DayAheadPrice.objects.create(
            starts_at=WINDOW_START + len(self.groups) * PTU,
            price_eur_per_mwh=Decimal(83),
            known_at=LONG_AGO,
            source="x",
        )
        OutdoorTemperature.objects.create(
            starts_at=WINDOW_START + len(self.groups) * PTU, celsius=Decimal("3.5"), known_at=LONG_AGO, source="x"
        )
        OrderChange.objects.create(
            bid=bid, power_w=100_000, price_eur_per_mwh=Decimal(170), reason="Less.", asked_by=actor, asked_at=LONG_AGO
        )
        SurplusOrder.objects.create(bid=bid, order_id="X2", found_at=LONG_AGO)

    def headroom(self, group, *, up_w=300_000, down_w=100_000, ptu_start=WINDOW_START, free_w=None, held_w=None):
        """Add what a group could offer; `held_w` of it up in hindsight."""
        for direction, power_w in (("reduce", up_w), ("increase", down_w)):
            cars = {"steady_w": 0, "capacity_w": held_w} if direction == "reduce" else {}
            BalancingHeadroom.objects.create(
                aggregation_ean=group, ptu_start=ptu_start, direction=direction, reliable_w=power_w,
                free_w=power_w if free_w is None else free_w, reliability=Decimal("0.95"),
                limited_by="drivers who leave soon need their energy", sized_at=ptu_start - 3 * PTU, **cars,
            )  # fmt: skip

    def balancing_bid(self, *groups, ptu_start=WINDOW_START, direction="reduce", power_w=2_000_000, **fields):
        """Add a bid in which each of the groups has the same part."""
        values = {"price_eur_per_mwh": Decimal(90), "status": "stands", "document_mrid": "d"} | fields
        made = BalancingBid.objects.create(
            ptu_start=ptu_start, direction=direction, power_w=power_w, made_at=ptu_start - 3 * PTU,
            updated_at=ptu_start - 3 * PTU, **values,
        )  # fmt: skip
        for group in groups:
            entry, _ = LedgerEntry.objects.get_or_create(
                aggregation_ean=group, ptu_start=ptu_start, direction=direction, defaults={"sellable_w": power_w}
            )
            Commitment.objects.create(
                entry=entry, balancing_bid=made, power_w=power_w // len(groups), committed_at=made.made_at
            )
        return made

    def everything(self):
        """Add one more of every kind of row, none like those before."""
        number = len(self.groups) + 1
        group, partner = self.group(), self.partner()
        area = CongestionArea.objects.create(
            code=f"area-{number}", name=f"Area {number}", grid_operator=GRID_OPERATOR, postcodes=["3511"]
        )
        asset = self.asset(group=group, partner=partner)
        AssetState.objects.create(asset=asset, at=NOW, power_w=7_400)
        SteeringLimit.objects.create(aggregation_ean=group, max_moved_w=1_000_000, reason="the transformer")
        session = ChargingSession.objects.create(
            asset=asset, external_id="s", plug_in_at=LONG_AGO, max_import_w=11_000, known_at=LONG_AGO
        )
        Declaration.objects.create(session=session, told_at=LONG_AGO, energy_wh=9_000)
        self.announcement(f"elsewhere-{number}", congestion_area=area)
        call = self.announcement(f"call-{number}")
        bid = self.bid(announcement=call, group=group)
        self.commit(bid, sellable_w=300_000)
        self.headroom(group)
        heard_at = NOW + number * timedelta(seconds=4)
        BalancingSignal.objects.create(at=heard_at, last_at=heard_at, cycles=1, delta_w=-200_000, use="followed")
        BalancingPtu.objects.create(
            ptu_start=WINDOW_START + number * PTU, cycles=220, lost_cycles=5, updated_at=heard_at
        )
        self.balancing_bid(group, ptu_start=WINDOW_START + (number + 4) * PTU)
        activation = self.activation(bid)
        self.meter(asset, WINDOW_START, 2_000)
        Duty.objects.create(
            activation=activation, asset=asset, asked_w=0, alone_w=11_000, usual_w=7_400, judged_from=WINDOW_START
        )
        ActivationSample.objects.create(
            activation=activation, at=NOW, ordered_w=300_000, asked_w=320_000, delivered_w=290_000, seen=40, members=41
        )
        DispatchAlarm.objects.create(activation=activation, kind="below_order", message="290 of 300 kW", raised_at=NOW)
        UseCost.objects.create(partner=partner, asset_kind="battery", wear_eur_per_mwh=30)
        PauseTest.objects.create(asset=asset, car="card", car_power_w=11_000, starts_at=NOW)
        NoBid.objects.create(
            announcement=self.announcement(f"declined-{number}"), aggregation_ean=group, reason="62 kW", decided_at=NOW
        )
        told = self.setpoint(asset, group=group, status=Setpoint.Status.REJECTED, reference=activation.reference)
        self.interfaces(asset, told, number=number)
        message = self.message(f"waiting-{number}")
        DeliveryAttempt.objects.create(message=message, attempted_at=NOW, duration_ms=20, status_code=503)
        Breaker.objects.create(
            counterparty=f"https://{number}.example", failures=6, rests_until=NOW + timedelta(seconds=30)
        )
        self.message(f"dead-{number}", dead_at=NOW, last_error="HTTP 400")
        InboxMessage.objects.create(
            channel="gopacs", sender="x", message_id=str(number), body=b"{}", body_sha256="", received_at=NOW
        )
        Job.objects.create(
            kind="poll", key=str(number), status="failed", started_at=NOW, finished_at=NOW, error="No answer."
        )
        delivery = self.delivery(activation, paid_wh={partner: 100_000})
        statement = Statement.objects.create(
            starts_at=DUTCH_JUNE, ends_at=NOW, version=number, issued_at=NOW, total_eur=Decimal("18.00")
        )
        statement.deliveries.add(delivery)
        StatementLine.objects.create(
            statement=statement, partner=partner, aggregation_ean=group, delivered_wh=1, amount_eur=Decimal("12.60")
        )
        keep(settled=settled_day(DAY - timedelta(days=number)), asked_at=NOW, now=NOW)
        contract = self.called_contract(group, number=number)
        StatementCharge.objects.create(statement=statement, contract=contract, kind="penalty", amount_eur=-1)
        actor = User.objects.create(username=f"colleague-{number}")
        self.terms(group, bid, actor)
        audit.record(now=NOW, action="bidding.bid.refused", subject=bid, actor=actor, reason="Too late.")
        FailedLogIn.objects.create(username=actor.username, ip_address="192.0.2.7", failures_since_start=5)


def _ptus(bid):
    return [bid.starts_at + number * PTU for number in range((bid.ends_at - bid.starts_at) // PTU)]


@pytest.fixture
def evening(db):
    area = CongestionArea.objects.create(
        code="centrum", name="Utrecht Centrum", grid_operator=GRID_OPERATOR, postcodes=["3511"]
    )
    return Evening(area)


@pytest.fixture(autouse=True)
def stopped_clock(tmp_path, monkeypatch):
    """Every page of this service thinks it is twenty past five."""
    path = tmp_path / "clock.json"
    VirtualClock.create(path, starts_at=NOW, speed=0)
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(path))
    clock.cache_clear()
    yield NOW
    clock.cache_clear()


@pytest.fixture
def operator(db):
    return User.objects.create_superuser("operator", password="throw-away")


@pytest.fixture
def pages(client, operator):
    """A browser logged in as somebody who may do everything."""
    client.force_login(operator)
    return client


@pytest.fixture
def colleague(db):
    """Make somebody of the staff with some permissions, such as `bidding.view_bid`."""

    def make(*permissions):
        user = User.objects.create_user(f"staff-{len(permissions)}", password="throw-away", is_staff=True)
        for permission in permissions:
            app, codename = permission.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        return user

    return make
