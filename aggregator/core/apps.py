from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Shared words, messaging, audit and jobs."""

    name = "aggregator.core"
    label = "core"
    verbose_name = "Messages, audit and jobs"
