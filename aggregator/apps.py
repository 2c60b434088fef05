from django.apps import AppConfig


class AggregatorConfig(AppConfig):
    """The roof: commands that run everything together."""

    name = "aggregator"
