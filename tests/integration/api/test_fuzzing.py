"""Every endpoint against requests that its own description allows, and ones it does not."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.field_side import charger, make_assets, token_for
from tests.shared_data import REPOSITORY

EXAMPLES = 15
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
SCHEMA = schemathesis.openapi.from_path(REPOSITORY / "openapi.yaml")
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
ALLOWED, FORBIDDEN = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
# Any text is a possible name of an asset or group, so there is nothing to forbid in asking for one.
CANNOT_BE_WRONG = {
    "GET /api/v1/assets/{external_id}",
    "GET /api/v1/groups",
    "GET /api/v1/groups/{aggregation_ean}",
}
CASES = [pytest.param(operation, ALLOWED, id=f"{operation.label} allowed") for operation in OPERATIONS] + [
    pytest.param(operation, FORBIDDEN, id=f"{operation.label} forbidden")
    for operation in OPERATIONS
    if operation.label not in CANNOT_BE_WRONG
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_no_request_breaks_the_service_or_the_description(transactional_db, live_server, partner, operation, mode):
    make_assets(partner, [charger("a")])
    headers = {"Authorization": f"Bearer {token_for(partner)}"}

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        answer = case.call(base_url=live_server.url, headers=headers)
        case.validate_response(answer, checks=CHECKS)

    run()
