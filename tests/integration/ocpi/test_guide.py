"""The examples of docs/ocpi.md, run as a CPO would: its shell blocks in order, against the service over real HTTP."""

from assets.models import OcpiConnection
from assets.ocpi.connections import open_connection
from tests.field_side import NOW, make_partner
from tests.guides import answers_as_it_says, needs_shell_tools
from tests.integration.ocpi.cpo_platform import TOKEN_B


@needs_shell_tools
def test_every_example_of_the_guide_answers_as_it_says(transactional_db, live_server, platform, settings):
    settings.PUBLIC_URL = live_server.url
    _, token_a = open_connection(partner=make_partner("Stadsladen"), now=NOW)
    answers_as_it_says(
        "ocpi.md",
        {
            "VERSIONS_URL": f"{live_server.url}/ocpi/versions",
            "TOKEN_A": token_a,
            "TOKEN_B": TOKEN_B,
            "YOUR_VERSIONS_URL": platform.versions_url,
        },
        examples=6,
    )
    assert OcpiConnection.objects.get().registered_at == NOW
