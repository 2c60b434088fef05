"""Puts the UFTP part of a scenario into the tables, within the load of the whole."""

from bidding.markets.uftp.keys import PublicKey
from mock_gopacs.models import Call, CallContract, UftpParticipant
from mock_gopacs.models.market import fingerprint
from mock_gopacs.uftp.address_book import add_key
from mock_gopacs.uftp.calls import new_call
from mock_gopacs.uftp.plans import ContractPlan, PartyPlan, UftpPlan


def load_uftp(plan: UftpPlan) -> None:
    """Create the participants with their keys, the contracts and their planned calls."""
    for party in plan.parties:
        _create_party(party)
    for contract in plan.contracts:
        _create_contract(contract)


def _create_party(plan: PartyPlan) -> None:
    participant = UftpParticipant.objects.create(
        domain=plan.domain,
        role=plan.role.value,
        endpoint=plan.endpoint,
        client_id=plan.client_id,
        client_secret_sha256=fingerprint(plan.client_secret) if plan.client_id else "",
    )
    add_key(participant, PublicKey.from_text(plan.public_key) if plan.public_key else None)


def _create_contract(plan: ContractPlan) -> None:
    contract = CallContract.objects.create(
        contract_id=plan.contract_id,
        ean=plan.ean,
        dso_id=plan.dso,
        aggregator_id=plan.aggregator,
        version=plan.version,
        congestion=plan.congestion,
        power_meaning=plan.power_meaning.value,
        power_w=plan.power_w,
        price_eur=plan.price_eur,
    )
    Call.objects.bulk_create(new_call(contract, call) for call in plan.calls)
