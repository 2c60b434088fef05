"""Record charging sessions from a table."""

from datetime import datetime

from aggregator.core.words import counted
from assets.management.table_command import TableCommand
from assets.table_import import import_sessions


class Command(TableCommand):
    """`import_sessions FILE --partner NAME`."""

    help = "Record a partner's charging sessions from a table; columns as in the API."

    def load(self, partner_id: int, content: bytes, now: datetime) -> str:
        """Import the table."""
        done = import_sessions(partner_id=partner_id, content=content, now=now)
        return f"{counted(done.created, 'session')} created, {done.updated} updated, {done.unchanged} unchanged."
