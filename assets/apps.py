from django.apps import AppConfig


class AssetsConfig(AppConfig):
    """Who and what: partners, assets, groups, sessions and meter values."""

    name = "assets"
    verbose_name = "Portfolio"
