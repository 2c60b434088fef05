from django.apps import AppConfig


class BiddingConfig(AppConfig):
    """What can be moved, what to sell, and keeping the promise."""

    name = "bidding"
    verbose_name = "Bids and dispatch"
