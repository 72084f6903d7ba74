"""How lists are printed."""

import time
from collections.abc import Mapping, Sequence

import typer


def show(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table with aligned columns."""
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    for row in (titles, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def day(at: int | None) -> str:
    """A Unix time as a date (UTC), `-` for none."""
    return "-" if at is None else time.strftime("%Y-%m-%d", time.gmtime(at))


def minute(at: int) -> str:
    """A Unix time as date and time, with the zone, lest it is read in another."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def roles(given: Mapping[str, str]) -> str:
    """Roles by workspace, e.g. `research: admin, sales: member`."""
    return ", ".join(f"{slug}: {role}" for slug, role in given.items()) or "-"
