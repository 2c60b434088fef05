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
        ]
        indexes = [models.Index(fields=["ptu_start"], name="headroom_by_ptu")]

    def __str__(self) -> str:
        return f"{self.aggregation_ean_id} {dutch_time(self.ptu_start)} {self.direction}"
