"""The menu beside every page, in the order of the work: model, title, icon, and its first page if that is no list."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

_GROUPS = {
    "Portfolio": (
        ("assets.AggregationEan", "Aggregation EANs", "hub"),
        ("assets.Asset", "Assets", "ev_station"),
        ("assets.Membership", "Memberships", "join"),
        ("assets.ChargingSession", "Charging sessions", "electric_car"),
        ("assets.Declaration", "Declarations of drivers", "record_voice_over"),
        ("assets.AssetState", "Asset states", "sensors"),
        ("assets.Partner", "Partners", "handshake"),
        ("assets.CongestionArea", "Congestion areas", "map"),
        ("assets.SteeringLimit", "Steering limits", "speed"),
    ),
    "Market": (
        ("bidding.Announcement", "Announcements", "campaign"),
        ("bidding.Bid", "Bids", "gavel"),
        ("bidding.NoBid", "Reasons for no bid", "block"),
        ("bidding.OrderChange", "Changes of orders", "edit_note"),
        ("bidding.SurplusOrder", "Surplus orders", "content_copy"),
        ("bidding.BidDutyContract", "Bid duties", "assignment_late"),
        ("bidding.Mandate", "Mandates", "supervisor_account"),
        ("bidding.PricingPolicy", "Pricing policies", "sell"),
        ("bidding.DayAheadPrice", "Day-ahead prices", "euro"),
        ("bidding.OutdoorTemperature", "Outdoor temperatures", "thermostat"),
        ("bidding.BalancingHeadroom", "Balancing energy", "swap_vert", "overview"),
        ("bidding.BalancingSignal", "TenneT's setpoints", "sensors"),
        ("bidding.BalancingPtu", "Requested balancing energy", "functions"),
        ("bidding.BalancingBid", "Balancing bids", "outbound"),
        ("bidding.LedgerEntry", "Ledger", "menu_book"),
        ("bidding.Commitment", "Commitments", "lock"),
        ("bidding.BaselineNomination", "Baseline nominations", "timeline"),
    ),
    "Called contracts": (
        ("bidding.Contract", "Contracts", "contract"),
        ("bidding.ContractCall", "Calls", "call"),
        ("bidding.ContractCallPtu", "Calls per quarter hour", "calendar_clock"),
        ("bidding.ContractReservation", "Kept reserved", "event_busy"),
        ("bidding.UftpMessage", "UFTP messages", "forum"),
        ("bidding.UftpParticipant", "UFTP participants", "domain"),
        ("bidding.UftpPublicKey", "Keys of participants", "vpn_key"),
        ("bidding.OwnKey", "Our keys", "key"),
    ),
    "Dispatch": (
        ("bidding.Activation", "Activations", "bolt"),
        ("bidding.ActivationPtu", "Orders per quarter hour", "schedule"),
        ("bidding.ActivationSample", "Delivered against ordered", "monitor_heart"),
        ("bidding.DispatchAlarm", "Alarms", "notification_important"),
        ("bidding.Duty", "Parts of assets", "assignment_ind"),
        ("bidding.UseCost", "Costs of use", "euro"),
        ("bidding.PauseTest", "Pause tests", "pause"),
        ("assets.SetpointBatch", "Setpoint batches", "outgoing_mail"),
        ("assets.Setpoint", "Setpoints", "tune"),
    ),
    "Partners' interfaces": (
        ("assets.OcpiConnection", "OCPI connections", "hub"),
        ("assets.OcpiParty", "OCPI parties", "badge"),
        ("assets.OcpiToken", "OCPI tokens", "key"),
        ("assets.OcpiLocation", "OCPI locations", "location_on"),
        ("assets.OcpiEvse", "OCPI charge points", "ev_station"),
        ("assets.OcpiUnknownEvse", "Unknown OCPI charge points", "help"),
        ("assets.OcpiSession", "OCPI sessions", "electric_car"),
        ("assets.OcpiEdge", "Parts of quarter hours", "timelapse"),
        ("assets.ProfileCommand", "Charging profiles sent", "tune"),
        ("assets.CommunicationTest", "Communication tests", "network_check"),
        ("assets.AnsweredRequest", "Answers kept for repeats", "replay"),
    ),
    "Settlement": (
        ("settlement.Delivery", "Deliveries", "local_shipping"),
        ("settlement.DeliveryPtu", "Delivery per quarter hour", "bar_chart"),
        ("settlement.DeliveryShare", "Shares of partners", "pie_chart"),
        ("settlement.Statement", "Statements", "receipt_long"),
        ("settlement.StatementLine", "Statement lines", "list_alt"),
        ("settlement.StatementCharge", "Fees and penalties", "contract_edit"),
        ("settlement.OperatorSettlement", "Operators' settlements", "balance"),
        ("settlement.BalancingSettlement", "Balancing settlement", "swap_vert", "overview"),
        ("settlement.BalancingSettlementPtu", "Balancing per quarter hour", "calendar_clock"),
    ),
    "Messages & audit": (
        ("core.OutboxMessage", "Outgoing messages", "outbox"),
        ("core.Breaker", "Counterparties in trouble", "link_off"),
        ("core.DeliveryAttempt", "Attempts to deliver", "replay"),
        ("core.InboxMessage", "Incoming messages", "inbox"),
        ("core.Job", "Jobs", "engineering"),
        ("core.AuditEvent", "Audit trail", "policy"),
        ("operator.FailedLogIn", "Failed log-ins", "lock"),
        ("auth.User", "Users", "person"),
        ("auth.Group", "Roles", "groups"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu with what this person may see."""
    first = {"title": "What happens now", "icon": "monitoring", "link": reverse("admin:index")}
    groups = [
        {"title": title, "separator": True, "items": [_item(*one) for one in models if _may_see(request, one[0])]}
        for title, models in _GROUPS.items()
    ]
    return [{"items": [first]}, *(group for group in groups if group["items"])]


def _item(label: str, title: str, icon: str, page: str = "changelist") -> dict[str, str]:
    app, model = label.lower().split(".")
    return {"title": title, "icon": icon, "link": reverse(f"admin:{app}_{model}_{page}")}


def _may_see(request: HttpRequest, label: str) -> bool:
    app, model = label.lower().split(".")
    return any(request.user.has_perm(f"{app}.{act}_{model}") for act in ("view", "change"))
