"""Runs inside the environment of the package extrawest-ocpi: prints its schemas, field by field, as JSON.

Arguments: the names of the classes. Imports nothing of ours.
"""

import json
import sys
from enum import Enum
from typing import Any

from py_ocpi.core.data_types import URL, DateTime, Number
from py_ocpi.modules.cdrs.v_2_2_1 import schemas as cdrs
from py_ocpi.modules.chargingprofiles.v_2_2_1 import schemas as profiles
from py_ocpi.modules.credentials.v_2_2_1 import schemas as credentials
from py_ocpi.modules.locations import schemas as places
from py_ocpi.modules.locations.v_2_2_1 import schemas as locations
from py_ocpi.modules.sessions.v_2_2_1 import schemas as sessions
from py_ocpi.modules.versions import schemas as versions
from py_ocpi.modules.versions.v_2_2_1 import schemas as details
from pydantic import BaseModel

MODULES = (sessions, cdrs, profiles, credentials, locations, places, details, versions)
PLAIN = {URL: "Url", DateTime: "DateTime", Number: "Number", int: "Whole", bool: "Truth"}


def described(field: Any) -> dict[str, Any]:
    kind = field.type_
    row = {"is_required": bool(field.required), "is_list": "List" in str(field.outer_type_)}
    if kind in PLAIN:
        return row | {"type": PLAIN[kind]}
    if hasattr(kind, "max_length"):
        return row | {"type": kind.__name__, "longest": kind.max_length}
    if issubclass(kind, Enum):
        return row | {"type": "OneOf", "words": sorted(one.value for one in kind)}
    return row | {"type": kind.__name__ if issubclass(kind, BaseModel) else "Anything"}


found = {}
for name in sys.argv[1:]:
    schema = next(getattr(module, name) for module in MODULES if hasattr(module, name))
    found[name] = {field: described(one) for field, one in schema.__fields__.items()}
sys.stdout.write(json.dumps(found))
