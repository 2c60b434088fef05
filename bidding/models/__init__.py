from bidding.models.activations import Activation, ActivationPtu
from bidding.models.announcements import Announcement
from bidding.models.balancing import BalancingBid, BalancingHeadroom, BalancingPtu, BalancingSignal
from bidding.models.bids import Bid, NoBid, OrderChange, SurplusOrder
from bidding.models.contracts import Contract, ContractCall, ContractCallPtu, ContractReservation
from bidding.models.directions import Direction
from bidding.models.dispatching import ActivationSample, Cause, DispatchAlarm, Duty, UseCost
from bidding.models.ledger import Commitment, LedgerEntry
from bidding.models.mandates import BidDutyContract, Mandate
from bidding.models.nominations import BaselineNomination
from bidding.models.participants import OwnKey, UftpParticipant, UftpPublicKey
from bidding.models.pausing import PauseTest
from bidding.models.pricing_policies import PricingPolicy
from bidding.models.timed_values import DayAheadPrice, OutdoorTemperature
from bidding.models.uftp_messages import UftpMessage

__all__ = [
    "Activation",
    "ActivationPtu",
    "ActivationSample",
    "Announcement",
    "BalancingBid",
    "BalancingHeadroom",
    "BalancingPtu",
    "BalancingSignal",
    "BaselineNomination",
    "Bid",
    "BidDutyContract",
    "Cause",
    "Commitment",
    "Contract",
    "ContractCall",
    "ContractCallPtu",
    "ContractReservation",
    "DayAheadPrice",
    "Direction",
    "DispatchAlarm",
    "Duty",
    "LedgerEntry",
    "Mandate",
    "NoBid",
    "OrderChange",
    "OutdoorTemperature",
    "OwnKey",
    "PauseTest",
    "PricingPolicy",
    "SurplusOrder",
    "UftpMessage",
    "UftpParticipant",
    "UftpPublicKey",
    "UseCost",
]
