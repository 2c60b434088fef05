from django.apps import AppConfig


class MockGopacsConfig(AppConfig):
    """The market's tables and commands."""

    name = "mock_gopacs"
    verbose_name = "Mock market"
