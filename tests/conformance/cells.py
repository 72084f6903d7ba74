"""The matrix: either requirement set of the suite against servers of either era and both."""

from __future__ import annotations

from dataclasses import dataclass

from tests.processes import Kind

NATIVE: dict[str, Kind] = {"2025-11-25": "legacy", "2026-07-28": "modern"}
"""The requirement sets of the suite, and the server that speaks that era and no other."""

KINDS: tuple[Kind, ...] = ("legacy", "modern", "dual")


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """A requirement set of the suite, run through the gateway against one kind of server."""

    revision: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.revision}:{self.kind}"

    @property
    def crossed(self) -> bool:
        """True when the server does not speak the suite's era, so that the gateway must bridge."""
        return self.kind not in (NATIVE[self.revision], "dual")

    @property
    def measure(self) -> Kind:
        """The server whose direct run says what shall come through."""
        return NATIVE[self.revision] if self.crossed else self.kind


CELLS = tuple(Cell(revision, kind) for revision in NATIVE for kind in KINDS)
