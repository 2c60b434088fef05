from bidding.models.activations import Activation, ActivationPtu
from bidding.models.announcements import Announcement
from bidding.models.bids import Bid, NoBid
from bidding.models.directions import Direction
from bidding.models.ledger import Commitment, LedgerEntry
from bidding.models.nominations import BaselineNomination

__all__ = [
    "Activation",
    "ActivationPtu",
    "Announcement",
    "BaselineNomination",
    "Bid",
    "Commitment",
    "Direction",
    "LedgerEntry",
    "NoBid",
]
