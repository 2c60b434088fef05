from django.apps import AppConfig


class OperatorConfig(AppConfig):
    """What an operator sees: the dashboard and the admin of every model."""

    name = "aggregator.operator"
    label = "operator"

    def ready(self) -> None:
        """Listen for log-ins that get locked."""
        from aggregator.operator import sign_in  # noqa: F401, PLC0415 - its models are there only now
