"""Tables in Markdown, row by row as they are found."""

import sys


def table(*headings: str) -> None:
    """Begin a table."""
    row(*headings)
    row(*("---" for _ in headings))


def row(*cells: str) -> None:
    """Add a row."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()
