from django.db import models

from aggregator.core.ptu import dutch_time


class BaselineNomination(models.Model):
    """What the group was expected to consume in a PTU, written down before the bid. Never changed."""

    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="nominations")
    bid = models.ForeignKey("bidding.Bid", on_delete=models.PROTECT, related_name="nominations")
    ptu_start = models.DateTimeField()
    power_w = models.BigIntegerField(help_text="Positive takes from the grid.")
    known_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bid", "ptu_start"], name="one_nomination_per_bid_and_ptu")]

    def __str__(self) -> str:
        return f"{self.power_w} W at {dutch_time(self.ptu_start)} for {self.aggregation_ean_id}"
