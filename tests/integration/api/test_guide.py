"""The guide's examples, run as a partner would: its shell blocks in order, against the service over real HTTP."""

from assets import operations
from tests.field_side import NOW
from tests.guides import answers_as_it_says, needs_shell_tools


@needs_shell_tools
def test_every_example_of_the_guide_answers_as_it_says(transactional_db, live_server):
    _, credentials = operations.register_partner(name="Stroom Utrecht (sandbox)", now=NOW, is_sandbox=True)
    answers_as_it_says(
        "cpo-guide.md",
        {
            "BASE": live_server.url,
            "CLIENT_ID": credentials.client_id,
            "CLIENT_SECRET": credentials.client_secret,
        },
        examples=10,
    )
