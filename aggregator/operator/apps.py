from django.apps import AppConfig


class OperatorConfig(AppConfig):
    """What an operator sees: the dashboard and the admin of every model."""

    name = "aggregator.operator"
    label = "operator"
