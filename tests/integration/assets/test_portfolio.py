import pytest
from django.core.exceptions import ValidationError

from assets import operations
from assets.models import AggregationEan, Membership
from assets.validation.kinds import MEMBERSHIP_OVERLAPS
from tests.field_side import GROUP_EAN, MARKET_PARTY, NOW, at, charger, enrol, make_area, make_assets, make_group

OTHER_EAN = "871685900012636550"


def members(ean, instant):
    periods = Membership.objects.filter(aggregation_ean=ean, period__contains=instant)
    return [membership.asset for membership in periods.select_related("asset").order_by("asset_id")]


def test_an_asset_cannot_be_in_two_groups_at_once_and_the_error_says_which(partner, group):
    first, second = make_assets(partner, [charger("a"), charger("b")])
    enrol(group, [first])
    other = make_group(group.congestion_area, ean=OTHER_EAN)

    with pytest.raises(operations.UnableToEnrol) as refusal:
        enrol(other, [second, first], starts_at=at("12:00"))

    assert MEMBERSHIP_OVERLAPS in str(refusal.value)
    assert f"Charger a (in {GROUP_EAN})" in str(refusal.value)
    assert "Charger b" not in str(refusal.value)
    assert not Membership.objects.filter(aggregation_ean=other).exists()


def test_an_asset_may_move_to_another_group_where_it_left_the_first(partner, group):
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset])
    other = make_group(group.congestion_area, ean=OTHER_EAN)
    operations.end_membership(asset_id=asset.pk, ends_at=at("12:00"), reason="moved", now=NOW)

    enrol(other, [asset], starts_at=at("12:00"))

    assert members(GROUP_EAN, at("11:59")) == [asset]
    assert members(GROUP_EAN, at("12:00")) == []
    assert members(OTHER_EAN, at("12:00")) == [asset]


def test_memberships_start_and_end_on_quarter_hours(partner, group):
    [asset] = make_assets(partner, [charger("a")])

    with pytest.raises(operations.UnableToEnrol, match="quarter hour"):
        enrol(group, [asset], starts_at=at("12:07"))
    enrol(group, [asset])
    with pytest.raises(operations.UnableToEndMembership, match="quarter hour"):
        operations.end_membership(asset_id=asset.pk, ends_at=at("12:07"), reason="sold", now=NOW)


def test_a_membership_that_is_not_there_cannot_end(partner, group):
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset], starts_at=at("12:00"))

    with pytest.raises(operations.UnableToEndMembership, match="is in no aggregation EAN just before"):
        operations.end_membership(asset_id=asset.pk, ends_at=at("12:00"), reason="never began", now=NOW)


@pytest.mark.parametrize("asset_ids", [pytest.param([10**9], id="asset"), pytest.param([], id="group")])
def test_unknown_assets_and_groups_are_named(group, asset_ids):
    ean = GROUP_EAN if asset_ids else OTHER_EAN

    with pytest.raises(operations.UnableToEnrol, match=str(asset_ids[0]) if asset_ids else OTHER_EAN):
        operations.enrol_assets(aggregation_ean=ean, asset_ids=asset_ids, starts_at=at("12:00"), now=NOW)


def test_a_wrong_ean_is_refused_with_the_reason(db):
    with pytest.raises(ValidationError, match="its last digit is 2, the check digit of the other 17 is 3"):
        operations.create_aggregation_ean(
            ean="871685900012636542", name="Wrong", congestion_area=make_area(), brp=MARKET_PARTY, now=NOW
        )

    assert not AggregationEan.objects.exists()


def test_enrolling_many_assets_takes_as_many_queries_as_few(partner, group, django_assert_max_num_queries):
    assets = make_assets(partner, [charger(f"a{number}") for number in range(1_600)])

    with django_assert_max_num_queries(10):
        enrol(group, assets)

    assert Membership.objects.count() == 1_600
