from django.apps import AppConfig


class BiddingConfig(AppConfig):
    """What can be moved, what to sell, and keeping the promise."""

    name = "bidding"
    verbose_name = "Bids and dispatch"

    def ready(self) -> None:
        """Register the checks of our settings."""
        from bidding import checks  # noqa: F401, PLC0415 - registers itself, once the settings are read
