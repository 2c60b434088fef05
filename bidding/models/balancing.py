import uuid

from django.db import models
from django.db.models import F, Q

from aggregator.core.ptu import dutch_time
from bidding.models.directions import Direction


class BalancingHeadroom(models.Model):
    """What a group could reliably have offered as balancing energy (aFRR) for a PTU. Nothing is sold by it.

    Each row stands by itself: the power is there for this PTU if no more than it is offered for those before.
    """

    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="headroom")
    ptu_start = models.DateTimeField()
    direction = models.CharField(max_length=8, choices=Direction.choices)
    reliable_w = models.PositiveBigIntegerField(
        help_text="What can be held from the gate of this quarter hour to its end, whenever it is called."
    )
    free_w = models.PositiveBigIntegerField(help_text="The part that was not sold when it was sized.")
    steady_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What batteries and heat pumps told for it; empty where no cars carry it."
    )
    capacity_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What would have been held, replayed with what cars did; empty until then."
    )
    reliability = models.DecimalField(max_digits=5, decimal_places=4, help_text="Probability that it holds.")
    limited_by = models.CharField(max_length=120, help_text="Why it is no more.")
    sized_at = models.DateTimeField(help_text="Nothing that was learnt later is in it.")

    class Meta:
        verbose_name = "balancing headroom"
        verbose_name_plural = "balancing headroom"
        constraints = [
            models.UniqueConstraint(
                fields=["aggregation_ean", "ptu_start", "direction"], name="one_headroom_per_ptu_and_direction"
            ),
            models.CheckConstraint(condition=Q(free_w__lte=F("reliable_w")), name="free_headroom_is_reliable"),
            models.CheckConstraint(condition=Q(sized_at__lt=F("ptu_start")), name="headroom_is_sized_in_time"),
            models.CheckConstraint(
                condition=Q(reliability__gt=0, reliability__lt=1), name="headroom_reliability_is_a_probability"
            ),
            models.CheckConstraint(
                condition=Q(capacity_w__isnull=True) | Q(steady_w__isnull=False), name="replayed_headroom_has_cars"
            ),
        ]
        indexes = [models.Index(fields=["ptu_start"], name="headroom_by_ptu")]

    def __str__(self) -> str:
        return f"{self.aggregation_ean_id} {dutch_time(self.ptu_start)} {self.direction}"


def _new_mrid() -> str:
    """Return a name that fits every version of TenneT's messages."""
    return uuid.uuid4().hex


class BalancingBid(models.Model):
    """Power of several groups together, offered to TenneT as balancing energy (aFRR) for one PTU and direction.

    What each group has in it is its `Commitment`. A bid is made once; it is taken back, never changed.
    """

    class Status(models.TextChoices):
        SENDING = "sending", "Being sent"
        STANDS = "stands", "Taken by TenneT"
        UNKNOWN = "unknown", "Sent without an answer: TenneT may call it"
        REFUSED = "refused", "Refused by TenneT"
        NOT_SENT = "not_sent", "Not sent in time"
        TAKEN_BACK = "taken_back", "Taken back"

    MAY_BE_CALLED = (Status.SENDING, Status.STANDS, Status.UNKNOWN)
    """Its power is sold: TenneT has it, or may have."""

    mrid = models.CharField(
        max_length=60, unique=True, default=_new_mrid, editable=False, help_text="Its name for good."
    )
    document_mrid = models.CharField(max_length=60, help_text="Of the newest document it went out with.")
    ptu_start = models.DateTimeField()
    direction = models.CharField(max_length=8, choices=Direction.choices)
    power_w = models.PositiveBigIntegerField()
    price_eur_per_mwh = models.DecimalField(
        max_digits=10, decimal_places=2, help_text="To receive for consuming less, to pay for consuming more."
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.SENDING)
    status_reason = models.TextField(blank=True)
    take_back_asked_at = models.DateTimeField(null=True, blank=True)
    made_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["ptu_start", "direction"],
                condition=Q(status__in=["sending", "stands", "unknown"]),
                name="one_living_balancing_bid_per_ptu",
            ),
            models.CheckConstraint(condition=Q(power_w__gt=0), name="balancing_bid_has_power"),
            models.CheckConstraint(condition=Q(made_at__lt=F("ptu_start")), name="balancing_bid_is_made_in_time"),
        ]
        indexes = [models.Index(fields=["ptu_start"], name="balancing_bid_by_ptu")]

    def __str__(self) -> str:
        return f"balancing bid {self.mrid} for {dutch_time(self.ptu_start)}"


class BalancingSignal(models.Model):
    """What TenneT asked of the pool, a row for each change, and each time that we could not tell.

    A row lies in one PTU. Kept for some weeks: with it everybody can work out again what was asked when.
    """

    class Use(models.TextChoices):
        FOLLOWED = "followed", "Followed"
        LOST = "lost", "Nothing usable heard: the last one holds"
        GIVEN_UP = "given_up", "Silent too long: nothing is asked any more"

    at = models.DateTimeField(help_text="Of the first cycle in which it came; of silence, when we noticed.")
    last_at = models.DateTimeField(help_text="Of the last cycle in which it came.")
    cycles = models.PositiveIntegerField(default=0, help_text="In how many cycles it came.")
    sequence = models.BigIntegerField(null=True, blank=True, help_text="TenneT's number of the last of them.")
    delta_w = models.BigIntegerField(
        null=True, blank=True, help_text="By how much to consume more, or less where below zero."
    )
    use = models.CharField(max_length=8, choices=Use.choices)
    why = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["at"], condition=Q(use="followed"), name="one_balancing_setpoint_of_an_instant"
            ),
            models.CheckConstraint(
                condition=Q(use="followed", delta_w__isnull=False, cycles__gt=0)
                | (~Q(use="followed") & Q(delta_w__isnull=True, cycles=0)),
                name="balancing_setpoint_has_a_power",
            ),
            models.CheckConstraint(condition=Q(last_at__gte=F("at")), name="balancing_setpoint_came_first_and_last"),
        ]
        indexes = [models.Index(fields=["last_at"], name="balancing_signal_by_end")]

    def __str__(self) -> str:
        return f"{self.get_use_display()} at {dutch_time(self.at)}"


class BalancingPtu(models.Model):
    """What TenneT asked of the pool in one PTU: the sum of its setpoints, which is what it settles."""

    ptu_start = models.DateTimeField(unique=True)
    requested_reduce_ws = models.PositiveBigIntegerField(default=0, help_text="Watt seconds.")
    requested_increase_ws = models.PositiveBigIntegerField(default=0, help_text="Watt seconds.")
    cycles = models.PositiveIntegerField(help_text="Setpoints that came.")
    lost_cycles = models.PositiveIntegerField(help_text="Setpoints that did not, or could not be used.")
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "requested balancing energy"
        verbose_name_plural = "requested balancing energy"

    def __str__(self) -> str:
        return f"requested balancing energy of {dutch_time(self.ptu_start)}"
