"""Database addresses in Django's terms."""

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def django_database(url: str) -> dict[str, Any]:
    """Return the `DATABASES` entry for a libpq address, including its options (`sslmode` …) and Unix sockets.

    Raises:
        ValueError: it is no such address.
    """
    try:
        parts = {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError as error:
        raise ValueError(str(error)) from error
    if not all(port.isdigit() for port in str(parts.get("port", 5432)).split(",")):
        raise ValueError("A port is a number.")
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        **{django: str(parts.pop(libpq)) for libpq, django in named.items() if libpq in parts},
        "OPTIONS": parts,
    }
