from django.db import models


class OperatorSettlement(models.Model):
    """What a grid operator's settlement said of one order, and what we made of it."""

    message = models.ForeignKey("bidding.UftpMessage", on_delete=models.PROTECT, related_name="settled_orders")
    order_reference = models.CharField(max_length=200)
    day = models.DateField()
    call = models.ForeignKey(
        "bidding.ContractCall", null=True, blank=True, on_delete=models.PROTECT, related_name="operator_settlements"
    )
    currency = models.CharField(max_length=3)
    their_net = models.DecimalField(max_digits=22, decimal_places=4, help_text="In the currency of the message.")
    our_net_eur = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    dispute_reason = models.TextField(blank=True, help_text="Why we disputed it; empty: we agreed.")
    checked_at = models.DateTimeField()

    class Meta:
        verbose_name = "operator's settlement"
        verbose_name_plural = "operators' settlements"

    def __str__(self) -> str:
        return f"order {self.order_reference}: {self.dispute_reason or 'agreed'}"
