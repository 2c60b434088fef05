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

admin.site.index_template = "operator/dashboard.html"  # a template of this name in `admin/` would hide behind Unfold's
admin.site.index_title = "What happens now"
