import pytest

from assets.models import AggregationEan, Partner
from tests.field_side import make_area, make_group, make_partner


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    # Hashing a client secret well takes a third of a second, and no test here is about that.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def partner(db) -> Partner:
    return make_partner("Stroom Utrecht")


@pytest.fixture
def other_partner(db) -> Partner:
    return make_partner("Laadnet Oost")


@pytest.fixture
def group(db) -> AggregationEan:
    return make_group(make_area())
