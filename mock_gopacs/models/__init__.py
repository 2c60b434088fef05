from mock_gopacs.models.announcements import Announcement, Clearing, Congestion, ForcedOutcome
from mock_gopacs.models.book import Fill, Order, OrderEvent, Side
from mock_gopacs.models.market import Market, Participant, Registration
from mock_gopacs.models.tennet import (
    AfrrFault,
    AfrrTerms,
    Bsp,
    DemandChange,
    EnergyBid,
    PoolMeasurement,
    ReceivedBidDocument,
)
from mock_gopacs.models.tooling import Fault, LogEntry, Notification
from mock_gopacs.models.uftp import AccessToken, Call, CallContract, UftpFault, UftpKey, UftpMessage, UftpParticipant

__all__ = [
    "AccessToken",
    "AfrrFault",
    "AfrrTerms",
    "Announcement",
    "Bsp",
    "Call",
    "CallContract",
    "Clearing",
    "Congestion",
    "DemandChange",
    "EnergyBid",
    "Fault",
    "Fill",
    "ForcedOutcome",
    "LogEntry",
    "Market",
    "Notification",
    "Order",
    "OrderEvent",
    "Participant",
    "PoolMeasurement",
    "ReceivedBidDocument",
    "Registration",
    "Side",
    "UftpFault",
    "UftpKey",
    "UftpMessage",
    "UftpParticipant",
]
