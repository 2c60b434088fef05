"""The admin of every model; Django looks for this module."""

from django.contrib import admin

from aggregator.operator.admin import (
    activations,
    assets,
    bidding,
    contracts,
    core,
    field_side,
    people,
    reports,
    settlement,
    trading,
)

__all__ = [
    "activations",
    "assets",
    "bidding",
    "contracts",
    "core",
    "field_side",
    "people",
    "reports",
    "settlement",
    "trading",
]

admin.site.index_template = "operator/dashboard.html"
admin.site.login_template = "operator/log_in.html"
admin.site.index_title = "What happens now"
