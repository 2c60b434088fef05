"""Every kind of contract is entered from a script and lives through what it is for."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from bidding.markets.uftp.vocabulary import Result
from bidding.models import Activation, Contract, ContractCall
from bidding.uftp.standing import open_days
from tests.conformance.uftp.samples import CONTRACT, DAY, DSO, NOW, REQUEST
from tests.integration.uftp.operator_side import limit_request, order_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def enter(operator, group):
    """Enter a contract over 500 kW with `manage.py contract`."""

    def run(kind, *options):
        call_command(
            "contract", "--id", CONTRACT, "--dso", DSO, "--kind", kind, "--aggregation-ean", group.ean, "--volume-w",
            "500000", "--price-eur-per-mwh", "95.00", "--active-from", "2026-06-01", *options, stdout=StringIO(),
        )  # fmt: skip
        return Contract.objects.get()

    return run


def increase_request():
    isps = tuple(replace(isp, min_power_w=0, max_power_w=100_000) for isp in REQUEST.isps)
    return replace(REQUEST, isps=isps)


@pytest.mark.parametrize(
    ("kind", "meaning", "request_", "direction", "ordered"),
    [
        ("CLC-A", "limit", limit_request(), "reduce", (0, 150_000)),
        ("group", "limit", limit_request(), "reduce", (0, 150_000)),
        ("group", "delta", REQUEST, "reduce", (100_000, None)),
        ("CSC-A", "delta", REQUEST, "reduce", (100_000, None)),
        ("CSC-A", "delta", increase_request(), "increase", (100_000, None)),
    ],
)
def test_a_contract_on_call_is_requested_offered_ordered_and_planned(
    enter, say, tick, other_side, kind, meaning, request_, direction, ordered
):
    contract = enter(kind, "--power-meaning", meaning)
    assert open_days(now=NOW) == 0
    say(request_)
    tick()
    say(order_for(other_side.messages()[-1]))
    tick()

    assert other_side.messages()[-1].result is Result.ACCEPTED
    call = ContractCall.objects.get()
    assert (call.contract, call.direction, call.day) == (contract, direction, DAY)
    activation = Activation.objects.get(contract_call=call)
    assert set(activation.ptus.values_list("ordered_w", "max_import_w")) == {ordered}


@pytest.mark.parametrize("kind", ["CLC-T", "time-block"])
def test_a_contract_that_holds_without_a_call_is_planned_each_day_and_not_called(enter, say, tick, other_side, kind):
    contract = enter(kind, "--limit-w", "120000", "--window-starts", "17:00", "--window-ends", "21:00")
    say(limit_request())
    tick()
    assert other_side.messages()[0].rejection_reason.startswith("The contract holds without calls")
    assert open_days(now=NOW) == 2
    assert list(ContractCall.objects.order_by("day").values_list("contract", "day", "direction")) == [
        (contract.pk, DAY - timedelta(days=1), "reduce"),
        (contract.pk, DAY, "reduce"),
    ]
    for activation in Activation.objects.all():
        assert list(activation.ptus.values_list("ordered_w", "max_import_w")) == [(0, 120_000)] * 16


@pytest.mark.parametrize("kind", ["CLC-T", "time-block"])
def test_a_limit_that_holds_without_a_call_is_no_deviation(enter, kind):
    with pytest.raises(CommandError, match="is a limit of the connection, no deviation"):
        enter(kind, "--limit-w", "120000", "--power-meaning", "delta")


@pytest.mark.parametrize(("days_later", "is_taken"), [(0, False), (1, True)])
def test_a_deadline_two_days_before_counts_from_the_called_day(enter, say, tick, other_side, days_later, is_taken):
    enter("CLC-A", "--call-days-before", "2", "--call-until", "08:00")  # it is 08:00, the day before `DAY`
    say(limit_request(period=DAY + timedelta(days=days_later)))
    tick()
    answer = other_side.messages()[0]
    assert (answer.result is Result.ACCEPTED) is is_taken
    assert answer.rejection_reason == (None if is_taken else "Called after the deadline of the contract")
