"""Nothing of a sandbox reaches a market: not asked, and refused by the database whoever tries."""

import pytest
from django.db import IntegrityError, transaction

from assets import operations
from assets.models import AggregationEan
from bidding.models import Direction, LedgerEntry
from bidding.queries import groups_asked
from tests.field_side import NOW, at


@pytest.fixture
def sandbox(db):
    operations.register_partner(name="Trying out", now=NOW, is_sandbox=True)
    return AggregationEan.objects.get(is_sandbox=True)


def test_a_sandbox_group_is_not_asked_even_where_its_postcodes_or_its_ean_are_announced(announcement, group, sandbox):
    sandbox.congestion_area.postcodes = announcement.postcodes
    sandbox.congestion_area.save()
    by_postcode = groups_asked([announcement])[announcement]
    announcement.helping_eans = [group.pk, sandbox.pk]

    assert by_postcode == [group]
    assert groups_asked([announcement])[announcement] == [group]


def test_the_ledger_takes_nothing_of_a_sandbox(sandbox):
    with pytest.raises(IntegrityError, match="never sold"), transaction.atomic():
        LedgerEntry.objects.create(
            aggregation_ean=sandbox, ptu_start=at("17:00"), direction=Direction.REDUCE, sellable_w=100_000
        )

    assert not LedgerEntry.objects.exists()
