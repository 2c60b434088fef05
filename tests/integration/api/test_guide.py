"""The guide's examples, run as a partner would: its shell blocks in order, against the service over real HTTP."""

from assets import operations
from assets.cpo_api import steering_views, views
from tests.field_side import NOW
from tests.guides import answers_as_it_says, needs_shell_tools
from tests.shared_data import REPOSITORY


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
        examples=11,
    )


def test_the_guide_says_how_many_rows_a_call_takes():
    most = [
        f"{views.AssetsView.most_rows:,} assets",
        f"{views.StatesView.most_rows:,} states, sessions, results",
        f"{views.MeterValuesView.most_rows:,} meter values, readings",
        f"{steering_views.CommunicationTestsView.most_rows} tests",
    ]
    assert views.StatesView.most_rows == views.SessionsView.most_rows == steering_views.SetpointResultsView.most_rows
    assert views.MeterValuesView.most_rows == views.ReadingsView.most_rows
    assert f"`too-many-rows` ({'; '.join(most)})" in (REPOSITORY / "docs" / "cpo-guide.md").read_text()
