"""The EAN of a connection is one in the database too, and older rows that have none stay as they were."""

import pytest
from django.db import IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor

from aggregator.core.models import AuditEvent
from assets.models import Asset, SteeringLimit
from tests.field_side import charger, make_assets, make_partner

EAN = "871685900012636543"
WRONG_DIGIT = "871685900012636542"
BEFORE = "0020_location_of_an_evse"


@pytest.mark.parametrize("ean", ["87168590001263654", "87168590001263654X", "Overvecht"])
def test_no_code_gives_an_asset_a_connection_that_is_no_ean(partner, ean):
    [car] = make_assets(partner, [charger("c")])
    with pytest.raises(IntegrityError, match="asset_connection_is_18_digits"):
        Asset.objects.filter(pk=car.pk).update(connection_ean=ean)


def migrate(*targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets or executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_older_rows_stay_as_they_were_and_are_told_to_the_operator():
    migrate(("assets", BEFORE))
    try:
        cars = make_assets(make_partner("Old"), [charger("good", connection_ean=EAN), charger("bad")])
        Asset.objects.filter(pk=cars[1].pk).update(connection_ean="Overvecht")
        limits = [
            SteeringLimit.objects.create(connection_ean=ean, max_import_w=100_000, reason="the contract")
            for ean in (EAN, "Overvecht", WRONG_DIGIT)
        ]
        SteeringLimit.objects.create(max_moved_w=1, reason="the fleet")
    finally:
        migrate()

    assert list(SteeringLimit.objects.order_by("pk").values_list("connection_ean", flat=True)) == [
        EAN, "Overvecht", WRONG_DIGIT, "",
    ]  # fmt: skip
    assert Asset.objects.get(pk=cars[1].pk).connection_ean == "Overvecht"
    told = {
        (event.subject_type, event.subject_id): event.reason
        for event in AuditEvent.objects.filter(action="assets.connection_ean.wrong")
    }
    assert told.keys() == {
        ("assets.asset", str(cars[1].pk)),
        ("assets.steeringlimit", str(limits[1].pk)),
        ("assets.steeringlimit", str(limits[2].pk)),
    }
    assert "the check digit of the other 17 is 3" in told["assets.steeringlimit", str(limits[2].pk)]
    with pytest.raises(IntegrityError, match="limited_connection_is_18_digits"):
        SteeringLimit.objects.filter(pk=limits[1].pk).update(max_import_w=90_000)
    SteeringLimit.objects.filter(pk=limits[1].pk).update(connection_ean="", max_import_w=None, partner=cars[0].partner)
