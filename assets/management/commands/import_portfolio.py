"""Register assets and their groups from a table."""

from datetime import datetime

from aggregator.core.words import counted
from assets.management.table_command import TableCommand
from assets.table_import import import_portfolio


class Command(TableCommand):
    """`import_portfolio FILE --partner NAME`."""

    help = "Register a partner's assets from a table; columns as in the API, and aggregation_ean with member_from."

    def load(self, partner_id: int, content: bytes, now: datetime) -> str:
        """Import the table."""
        done = import_portfolio(partner_id=partner_id, content=content, now=now)
        return (
            f"{counted(done.assets.created, 'asset')} created, {done.assets.updated} updated, "
            f"{done.assets.unchanged} unchanged; {done.enrolled} enrolled."
        )
