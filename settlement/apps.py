from django.apps import AppConfig


class SettlementConfig(AppConfig):
    """What was delivered, what it is worth, and whose it is."""

    name = "settlement"
    verbose_name = "Settlement"
