"""The admin of every model; Django looks for this module."""

from aggregator.operator.admin import assets, bidding, core, settlement

__all__ = ["assets", "bidding", "core", "settlement"]
