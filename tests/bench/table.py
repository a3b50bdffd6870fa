"""Figures on paper."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

_WIDTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. What is None was not measured there.

    Attributes:
        per_s: of `unit`.
        floor: what the rate is of the floor's, as a share; for the floors themselves None, and
            where the rate was given.
        gateway_us, runtime_us: CPU for each event.
        goal: what is wanted on two cores.
        broken: what must not happen at any speed.
    """

    case: str
    unit: str = "events"
    per_s: float | None = None
    floor: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    gateway_us: float | None = None
    runtime_us: float | None = None
    goal: str = ""
    remark: str = ""
    broken: Sequence[str] = ()


def show(title: str, rows: Sequence[Row]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("case", no_wrap=True)
    for name in ("per second", "of floor", "p50 ms", "p99 ms", "gateway us", "runtime us"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("goal", no_wrap=True)
    table.add_column("remark")
    for row in rows:
        table.add_row(
            row.case,
            f"{row.per_s:,.0f} {row.unit}" if row.per_s is not None else "",
            f"{row.floor:.2f}" if row.floor is not None else "",
            *(_figure(value) for value in (row.p50_ms, row.p99_ms)),
            *(_whole(value) for value in (row.gateway_us, row.runtime_us)),
            row.goal,
            "; ".join((*((row.remark,) if row.remark else ()), *row.broken)),
            style="red" if row.broken else None,
        )
    Console(width=_WIDTH).print(table)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
