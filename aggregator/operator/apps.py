from django.apps import AppConfig

from aggregator.operator.spelling import spell_names


class OperatorConfig(AppConfig):
    """What an operator sees: the dashboard and the admin of every model."""

    name = "aggregator.operator"
    label = "operator"

    def ready(self) -> None:
        """Listen for log-ins that get locked, and spell the names of what is shown."""
        from aggregator.operator import sign_in  # noqa: F401, PLC0415 - its models are there only now

        spell_names()
