"""Contracts under which a grid operator calls flexibility, and its calls."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from aggregator.core.fields import Ean18Field
from aggregator.core.ptu import dutch_time
from bidding.markets.uftp.powers import PowerMeaning, Side
from bidding.models.directions import Direction
from bidding.models.participants import UftpParticipant


def _in_full() -> list[Decimal]:
    return [Decimal(1)]


class Contract(models.Model):
    """What was agreed with one grid operator for one group: when it may call, how much, and for what money."""

    class Kind(models.TextChoices):
        CLC_T = "CLC-T", "Capacity limiting, fixed times"
        CLC_A = "CLC-A", "Capacity limiting, on call"
        CSC_A = "CSC-A", "Capacity steering, on call"
        GROUP = "group", "Group contract"
        TIME_BLOCK = "time-block", "Time-block transport right"

    class Meaning(models.TextChoices):
        LIMIT = PowerMeaning.LIMIT.value, "A limit of the connection"
        DELTA = PowerMeaning.DELTA.value, "A deviation from the baseline"

    class ZeroSide(models.TextChoices):
        IMPORT = Side.IMPORT.value, "Consumption"
        EXPORT = Side.EXPORT.value, "Feed-in"

    contract_id = models.CharField(max_length=120, help_text="The operator's name for it, as in its messages.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    dso = models.ForeignKey(UftpParticipant, on_delete=models.PROTECT, related_name="contracts")
    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="contracts")
    congestion_point = Ean18Field(help_text="The EAN that the operator names in its calls.")
    volume_w = models.PositiveBigIntegerField(help_text="The most that a call may take from the group.")
    limit_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="The limit that holds every day without a call; for kinds with fixed times."
    )
    power_meaning = models.CharField(max_length=5, choices=Meaning.choices, default=Meaning.LIMIT)
    zero_side = models.CharField(
        max_length=6, choices=ZeroSide.choices, default=ZeroSide.IMPORT, help_text="What a limit of 0 W is a limit of."
    )
    window_starts = models.TimeField(null=True, blank=True, help_text="Local time; empty: the whole day.")
    window_ends = models.TimeField(null=True, blank=True, help_text="Local time, 00:00 for the end of the day.")
    call_days_before = models.PositiveSmallIntegerField(default=1)
    call_until = models.TimeField(
        null=True, blank=True, help_text="Local time after which a call no longer binds; empty: until its expiry."
    )
    price_eur_per_mwh = models.DecimalField(max_digits=10, decimal_places=2, help_text="Paid for energy moved.")
    availability_fee_eur_per_month = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    penalty_eur_per_mwh = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    offered_shares = ArrayField(
        models.DecimalField(
            max_digits=3,
            decimal_places=2,
            validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(Decimal(1))],
        ),
        default=_in_full,
        help_text="What our offers confirm of a request, one option per share; less than 1 for deviations only.",
    )
    min_activation_factor = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        default=Decimal(1),
        help_text="The least part of an offered deviation that may be ordered; 1: all or nothing.",
    )
    takes_unsolicited_orders = models.BooleanField(
        default=False, help_text="Whether an order binds that answers no offer; from UFTP 3.1.0."
    )
    sends_prognosis = models.BooleanField(
        default=False, help_text="Whether the operator gets the group's expected power of each day, the day before."
    )
    sends_metering = models.BooleanField(
        default=False, help_text="Whether the operator gets the group's metered energy of each called day."
    )
    active_from = models.DateField()
    active_until = models.DateField(null=True, blank=True, help_text="The last day.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dso", "contract_id"], name="one_contract_per_operator_and_id"),
            models.CheckConstraint(
                condition=Q(volume_w__gt=0),
                name="contract_volume_is_positive",
                violation_error_message="A contract over 0 W cannot be called. Give its volume in watts.",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["CLC-T", "time-block"], limit_w__isnull=False)
                | (~Q(kind__in=["CLC-T", "time-block"]) & Q(limit_w__isnull=True)),
                name="contract_has_a_limit_or_is_called",
                violation_error_message="Give a limit for CLC-T and time-block contracts; all others are called.",
            ),
            models.CheckConstraint(
                condition=Q(limit_w__isnull=True) | Q(power_meaning="limit"),
                name="contract_with_a_limit_means_limits",
                violation_error_message="A limit that holds without a call is a limit of the connection, no deviation.",
            ),
            models.CheckConstraint(
                condition=Q(window_starts__isnull=True, window_ends__isnull=True)
                | Q(window_starts__isnull=False, window_ends__isnull=False),
                name="contract_window_has_both_ends",
                violation_error_message="Give both ends of the daily window, or neither for the whole day.",
            ),
            models.CheckConstraint(
                condition=Q(power_meaning="delta") | Q(min_activation_factor=1, offered_shares=[Decimal(1)]),
                name="contract_of_a_limit_is_whole",
                violation_error_message="A limit cannot be offered or ordered in part. Choose deviations, or 1.",
            ),
            models.CheckConstraint(
                condition=Q(
                    min_activation_factor__gt=0,
                    min_activation_factor__lte=1,
                    offered_shares__len__gte=1,
                ),
                name="contract_offers_something",
                violation_error_message="Give at least one share, and an activation factor above 0 and at most 1.",
            ),
            models.CheckConstraint(
                condition=Q(active_until__isnull=True) | Q(active_until__gte=F("active_from")),
                name="contract_ends_after_it_starts",
                violation_error_message="The contract's last day lies before its first.",
            ),
            models.CheckConstraint(
                condition=Q(
                    price_eur_per_mwh__gte=0, availability_fee_eur_per_month__gte=0, penalty_eur_per_mwh__gte=0
                ),
                name="contract_money_is_not_negative",
                violation_error_message="Prices, fees and penalties of a contract are zero or more.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.contract_id}"


class ContractReservation(models.Model):
    """What an operator keeps reserved of a contract in one PTU, when that is less than its volume."""

    contract = models.ForeignKey(Contract, on_delete=models.CASCADE, related_name="reservations")
    ptu_start = models.DateTimeField()
    power_w = models.PositiveBigIntegerField(help_text="The most that may still be called then.")
    message = models.ForeignKey(
        "bidding.UftpMessage", on_delete=models.PROTECT, related_name="reservations", help_text="Which says so."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contract", "ptu_start"], name="one_reservation_per_ptu")]

    def __str__(self) -> str:
        return f"{self.power_w} W of {self.contract_id} at {dutch_time(self.ptu_start)}"


class ContractCall(models.Model):
    """A duty to deliver under a contract: an order that we accepted, or a day of a contract that needs no order."""

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="calls")
    message = models.OneToOneField(
        "bidding.UftpMessage",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="call",
        help_text="The order; empty when the contract holds without one.",
    )
    offer = models.OneToOneField(
        "bidding.UftpMessage",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="ordered_by",
        help_text="What was ordered; an offer is ordered once.",
    )
    order_reference = models.CharField(max_length=200)
    day = models.DateField(help_text="The local day it is about.")
    direction = models.CharField(max_length=8, choices=Direction.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    called_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="call_ends_after_it_starts"),
            models.UniqueConstraint(
                fields=["contract", "day"], condition=Q(message__isnull=True), name="one_standing_call_per_day"
            ),
        ]

    def __str__(self) -> str:
        return f"call {self.order_reference}"


class ContractCallPtu(models.Model):
    """What a call demands in one PTU: a deviation, or a limit per direction."""

    call = models.ForeignKey(ContractCall, on_delete=models.CASCADE, related_name="ptus")
    ptu_start = models.DateTimeField()
    power_w = models.BigIntegerField(help_text="As ordered; what it means is in the contract.")
    max_import_w = models.PositiveBigIntegerField(null=True, blank=True)
    max_export_w = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "ptu_start"], name="one_demand_per_call_and_ptu")]

    def __str__(self) -> str:
        return f"{self.power_w} W at {dutch_time(self.ptu_start)}"
