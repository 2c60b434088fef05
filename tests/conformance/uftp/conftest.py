from collections.abc import Callable

import pytest
from lxml import etree

from tests.shared_data import shared_path


@pytest.fixture(scope="session")
def official_schema() -> Callable[[str], etree.XMLSchema]:
    """Return the official schema of a version, which covers every message between AGR and DSO and the envelope."""
    schemas: dict[str, etree.XMLSchema] = {}

    def schema_of(version: str) -> etree.XMLSchema:
        if version not in schemas:
            schemas[version] = etree.XMLSchema(file=str(shared_path(f"standards/uftp/{version}/UFTP-agr-dso.xsd")))
        return schemas[version]

    return schema_of
