"""The panels of the front page as plain values: every number as text, every row with its link."""

from aggregator.operator.panels.backstage import messages, money, trouble
from aggregator.operator.panels.dispatch import activations, partners
from aggregator.operator.panels.market import announcements, duties, ledger
from aggregator.operator.panels.record import record

__all__ = ["activations", "announcements", "duties", "ledger", "messages", "money", "partners", "record", "trouble"]
