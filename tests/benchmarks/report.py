"""Rows of a benchmark: ours beside a floor or a peer, measured in the same run, with the ratio and its target.

A ratio is always "ours / peer" for targets that begin with "<=" and "peer / ours" (times faster) for those with ">=".
Nothing is asserted: the table says whether a target was met on this machine.
"""

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement; times in seconds, best of the rounds the benchmark chose."""

    benchmark: str
    name: str
    ours_s: float
    peer: str | None
    peer_s: float | None
    target: str | None
    note: str
    ratio: float | None
    met: bool | None


@dataclass(slots=True)
class Report:
    """Collects rows; `quick` asks benchmarks for small sizes, to try the runner itself; `tell` gets each as a line."""

    tell: Callable[[str], None]
    quick: bool = False
    benchmark: str = ""
    rows: list[Row] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def row(
        self,
        *,
        name: str,
        ours_s: float,
        peer: str | None = None,
        peer_s: float | None = None,
        target: str | None = None,
        note: str = "",
    ) -> None:
        """Add a measurement.

        Args:
            name: What was measured.
            ours_s: Our time.
            peer: Floor or peer it is compared with; None for a time of its own.
            peer_s: Its time, in the same run.
            target: "<= 1.5x" (of the floor), ">= 100x" (faster than the peer) or "<= 2 s" (ours alone).
            note: What else is worth knowing, such as memory or agreement of results.
        """
        ratio, met = _judge(ours_s, peer_s, target)
        made = Row(
            benchmark=self.benchmark,
            name=name,
            ours_s=ours_s,
            peer=peer,
            peer_s=peer_s,
            target=target,
            note=note,
            ratio=ratio,
            met=met,
        )
        self.rows.append(made)
        self.tell("  " + ", ".join(text for text in (name, *_figures(made)) if text))

    def skip(self, reason: str) -> None:
        """Say why the current benchmark, or a part of it, was not measured."""
        self.skipped.append((self.benchmark, reason))

    def print(self, console: Console) -> None:
        """Show all rows."""
        table = Table(title="Benchmarks (quick: sizes are not the real ones)" if self.quick else "Benchmarks")
        for heading in ("benchmark", "what", "ours", "beside", "theirs", "ratio", "target", "", "note"):
            right = heading in {"ours", "theirs", "ratio"}
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
        for row in self.rows:
            table.add_row(row.benchmark, row.name, *_figures(row), row.note)
        console.print(table)
        for benchmark, reason in self.skipped:
            console.print(f"[yellow]{benchmark} skipped:[/] {reason}")

    def write(self, path: Path) -> None:
        """Keep all rows as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "machine": {"python": platform.python_version(), "system": platform.platform()},
            "quick": self.quick,
            "rows": [asdict(row) for row in self.rows],
            "skipped": [{"benchmark": benchmark, "reason": reason} for benchmark, reason in self.skipped],
        }
        path.write_text(json.dumps(document, indent=2) + "\n")


def _figures(row: Row) -> tuple[str, ...]:
    return (
        _time(row.ours_s),
        row.peer or "",
        "" if row.peer_s is None else _time(row.peer_s),
        "" if row.ratio is None else f"{row.ratio:.3g}x",
        row.target or "",
        {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[row.met],
    )


def _judge(ours_s: float, peer_s: float | None, target: str | None) -> tuple[float | None, bool | None]:
    """Ratio as the target words it, and whether it was met."""
    if not target:
        return (None if peer_s is None else ours_s / peer_s), None
    relation, value, *unit = target.removesuffix("x").split()
    if unit:
        return None, ours_s <= float(value) * {"s": 1.0, "ms": 1e-3}[unit[0]]
    if peer_s is None:
        raise ValueError(f'target "{target}" needs the time of a peer; give peer_s, or a target in seconds')
    if relation == ">=":
        return peer_s / ours_s, peer_s / ours_s >= float(value)
    return ours_s / peer_s, ours_s / peer_s <= float(value)


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
