"""Database addresses in Django's terms."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict


def django_database(url: str) -> dict[str, Any]:
    """Return the `DATABASES` entry for a libpq address, including its options (`sslmode` …) and Unix sockets."""
    parts = {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        **{django: str(parts.pop(libpq)) for libpq, django in named.items() if libpq in parts},
        "OPTIONS": parts,
    }
