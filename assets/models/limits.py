from django.db import models
from django.db.models import Q

from aggregator.core.fields import Ean18Field
from assets.models.assets import CONNECTION_IS_NO_EAN, EAN_OR_EMPTY

LEAST_CONNECTION_W = 1_000
"""The smallest connection to the grid carries more, so less than this is kilowatts where watts are meant."""


class SteeringLimit(models.Model):
    """How far and how fast a part of the fleet may be steered; nothing named means the whole fleet.

    An empty value sets no limit in this scope. Where several apply, each must hold. The fleet has safe values of its
    own (`assets.control.scope_limits.FLEET_DEFAULT`) until a row replaces them.
    """

    partner = models.ForeignKey(
        "assets.Partner", null=True, blank=True, on_delete=models.CASCADE, related_name="steering_limits"
    )
    aggregation_ean = models.ForeignKey(
        "assets.AggregationEan", null=True, blank=True, on_delete=models.CASCADE, related_name="steering_limits"
    )
    connection_ean = Ean18Field(blank=True, help_text="All assets behind this connection together, such as a site.")
    max_import_w = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Of a connection: the most that all our assets behind it may take together. We order no more; what "
        "cars take by themselves is not held back. 100 kW is 100000.",
    )
    max_export_w = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Of a connection: the most that all our assets behind it may feed in together. 0: nothing.",
    )
    max_moved_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Most power that setpoints may take away from what assets do by themselves."
    )
    max_step_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Most power that one plan may change at one moment."
    )
    max_ramp_w_per_minute = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Steepest slope, over the ramp in which assets start at random moments."
    )
    max_reversals_per_hour = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How often one asset may be turned round in an hour."
    )
    ramp_seconds = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Assets start up to this early and return up to this late, at random."
    )
    reason = models.TextField(help_text="Who asks for it, and why.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "aggregation_ean", "connection_ean"],
                nulls_distinct=False,
                name="one_steering_limit_per_scope",
                violation_error_message="This scope has a limit already. Change that one.",
            ),
            models.CheckConstraint(
                condition=Q(partner__isnull=True, aggregation_ean__isnull=True)
                | Q(partner__isnull=True, connection_ean="")
                | Q(aggregation_ean__isnull=True, connection_ean=""),
                name="steering_limit_has_one_scope",
                violation_error_message="Name one of partner, aggregation EAN and connection, or none for the fleet.",
            ),
            models.CheckConstraint(
                condition=Q(connection_ean__regex=EAN_OR_EMPTY),
                name="limited_connection_is_18_digits",
                violation_error_message=CONNECTION_IS_NO_EAN,
            ),
            models.CheckConstraint(
                condition=~Q(connection_ean="") | Q(max_import_w__isnull=True, max_export_w__isnull=True),
                name="only_a_connection_carries_power",
                violation_error_message="Max import and max export are of one connection. Name its EAN, or leave both"
                " empty.",
            ),
            models.CheckConstraint(
                condition=(Q(max_import_w__isnull=True) | Q(max_import_w__gte=LEAST_CONNECTION_W))
                & (Q(max_export_w__isnull=True) | Q(max_export_w=0) | Q(max_export_w__gte=LEAST_CONNECTION_W)),
                name="connection_limits_are_in_watts",
                violation_error_message="Max import and max export are in watts: 100 kW is 100000. Less than 1000 W is"
                " no connection; only max export may be 0.",
            ),
            models.CheckConstraint(
                condition=Q(ramp_seconds__isnull=True) | Q(ramp_seconds__lte=900),
                name="ramp_within_a_quarter_hour",
                violation_error_message="A ramp of more than 900 seconds would eat a whole quarter hour.",
            ),
        ]

    def __str__(self) -> str:
        if self.partner_id:
            return f"steering limit of partner {self.partner_id}"
        if self.aggregation_ean_id or self.connection_ean:
            return f"steering limit of {self.aggregation_ean_id or self.connection_ean}"
        return "steering limit of the fleet"
