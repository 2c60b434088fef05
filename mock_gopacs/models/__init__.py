from mock_gopacs.models.announcements import Announcement, Clearing, Congestion, ForcedOutcome
from mock_gopacs.models.book import Fill, Order, OrderEvent, Side
from mock_gopacs.models.market import Market, Participant, Registration
from mock_gopacs.models.tooling import Fault, LogEntry, Notification

__all__ = [
    "Announcement",
    "Clearing",
    "Congestion",
    "Fault",
    "Fill",
    "ForcedOutcome",
    "LogEntry",
    "Market",
    "Notification",
    "Order",
    "OrderEvent",
    "Participant",
    "Registration",
    "Side",
]
