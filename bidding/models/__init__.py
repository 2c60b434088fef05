from bidding.models.activations import Activation, ActivationPtu
from bidding.models.announcements import Announcement
from bidding.models.bids import Bid, NoBid
from bidding.models.contracts import Contract, ContractCall, ContractCallPtu
from bidding.models.directions import Direction
from bidding.models.ledger import Commitment, LedgerEntry
from bidding.models.nominations import BaselineNomination
from bidding.models.participants import OwnKey, UftpParticipant, UftpPublicKey
from bidding.models.uftp_messages import UftpMessage

__all__ = [
    "Activation",
    "ActivationPtu",
    "Announcement",
    "BaselineNomination",
    "Bid",
    "Commitment",
    "Contract",
    "ContractCall",
    "ContractCallPtu",
    "Direction",
    "LedgerEntry",
    "NoBid",
    "OwnKey",
    "UftpMessage",
    "UftpParticipant",
    "UftpPublicKey",
]
