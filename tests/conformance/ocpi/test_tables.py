"""Our tables of OCPI against the schemas of a package that nobody here wrote (extrawest-ocpi)."""

import json
import subprocess
from pathlib import Path

import pytest

from scripts.peer_environment import PeerUnavailable, peer_python
from tests.conformance.ocpi.tables import TABLES, Anything, Number, OneOf, Text
from tests.peers import do_without

PROGRAM = Path(__file__).with_name("peer_tables.py")
PEER_DIFFERS = {
    "Endpoint.identifier": "knows clientinfo beside hubclientinfo",
    "ChargingProfile.min_charging_rate": "named min_charge_rate and required",
    "ChargingProfile.charging_profile_period": "one period, and required, instead of a list",
}
"""Where the specification is with us: mod_charging_profiles, ChargingProfile class; version_information_endpoint."""


@pytest.fixture(scope="module")
def peer_tables():
    try:
        python = peer_python("ocpi")
    except PeerUnavailable as reason:
        do_without("OCPI", reason)
    run = subprocess.run([str(python), str(PROGRAM), *TABLES], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def described(field):
    """Return a field of ours in the peer's words."""
    kind = field.kind
    row = {"is_required": field.is_required, "is_list": field.is_list}
    if isinstance(kind, str):
        return row | {"type": kind}
    if isinstance(kind, Text):
        return row | {"type": "CiString" if kind.is_ascii else "String", "longest": kind.longest}
    if isinstance(kind, OneOf):
        return row | {"type": "OneOf", "words": sorted(kind.words)}
    if isinstance(kind, Number):
        return row | {"type": "Whole" if kind.is_whole else "Number"}
    return row | {"type": type(kind).__name__}


FIELDS = [
    pytest.param(table, name, id=f"{table}.{name}")
    for table, fields in TABLES.items()
    for name, field in fields.items()
    if not isinstance(field.kind, Anything)
]


@pytest.mark.parametrize(("table", "name"), FIELDS)
def test_every_field_is_as_the_peer_reads_the_specification(peer_tables, table, name):
    ours = described(TABLES[table][name])
    if f"{table}.{name}" in PEER_DIFFERS:
        assert peer_tables[table].get(name) != ours
    else:
        assert peer_tables[table][name] == ours


@pytest.mark.parametrize("table", TABLES)
def test_no_field_is_left_out(peer_tables, table):
    assert peer_tables[table].keys() - {"min_charge_rate"} <= TABLES[table].keys()
