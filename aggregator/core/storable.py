"""What others sent, as text that the database can hold."""

import re

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """Return text with every NUL and half of a surrogate replaced: PostgreSQL refuses them, and the whole statement."""
    return _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
