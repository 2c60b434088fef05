from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import F, Q

from aggregator.core.ptu import dutch_time

_OF_THE_DAY = """
    IF (SELECT day FROM settlement_balancingsettlement WHERE id = NEW.settlement_id)
           IS DISTINCT FROM (NEW.ptu_start AT TIME ZONE 'Europe/Amsterdam')::date
       OR mod(extract(epoch FROM NEW.ptu_start)::numeric, 900) <> 0 THEN
        RAISE integrity_constraint_violation USING MESSAGE = 'This is no quarter hour of the settled Dutch day.';
    END IF;
    RETURN NEW;
"""


class BalancingSettlement(models.Model):
    """What TenneT says about balancing energy (aFRR) of a Dutch day. A correction is a new version."""

    day = models.DateField(help_text="In Dutch time.")
    version = models.PositiveIntegerField(help_text="Ours: TenneT does not number them.")
    is_final = models.BooleanField(help_text="TenneT will not change it any more.")
    received_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(help_text="When TenneT last said the same.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "version"], name="one_balancing_settlement_per_day_version"),
            models.CheckConstraint(
                condition=Q(confirmed_at__gte=F("received_at")), name="balancing_settlement_is_confirmed_later"
            ),
        ]

    def __str__(self) -> str:
        return f"TenneT's settlement of {self.day:%-d %B %Y}, version {self.version}"


def _energy(help_text: str) -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(max_digits=18, decimal_places=6, help_text=help_text)


def _price(help_text: str) -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(max_digits=20, decimal_places=8, help_text=help_text)


class BalancingSettlementPtu(models.Model):
    """One quarter hour of it, all groups together, in the numbers that TenneT gives."""

    settlement = models.ForeignKey(BalancingSettlement, on_delete=models.CASCADE, related_name="ptus")
    ptu_start = models.DateTimeField()
    requested_reduce_mwh = _energy("Up: what the setpoints asked for.")
    requested_increase_mwh = _energy("Down: what the setpoints asked for.")
    missed_reduce_mwh = _energy("Of what was requested, not delivered by TenneT's reckoning.")
    missed_increase_mwh = _energy("Of what was requested, not delivered by TenneT's reckoning.")
    price_reduce_eur_per_mwh = _price("Above zero, TenneT pays us.")
    price_increase_eur_per_mwh = _price("Above zero, we pay TenneT.")
    amount_eur = models.DecimalField(max_digits=16, decimal_places=4, help_text="Above zero, TenneT pays us.")
    penalty_eur = models.DecimalField(max_digits=16, decimal_places=4, help_text="What we pay for what was missed.")

    class Meta:
        verbose_name = "balancing settlement per quarter hour"
        verbose_name_plural = "balancing settlement per quarter hour"
        constraints = [
            models.UniqueConstraint(fields=["settlement", "ptu_start"], name="one_balancing_settlement_row_per_ptu"),
            models.CheckConstraint(
                condition=Q(
                    requested_reduce_mwh__gte=0,
                    requested_increase_mwh__gte=0,
                    missed_reduce_mwh__gte=0,
                    missed_increase_mwh__gte=0,
                    penalty_eur__gte=0,
                ),
                name="settled_balancing_is_not_negative",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="ptu_of_the_settled_day",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func=_OF_THE_DAY,
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount_eur} EUR for {dutch_time(self.ptu_start)}"
