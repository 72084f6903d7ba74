"""The cells of `client` mode: either requirement set, visited through the gateway by a client of either era."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.conformance.cells import NATIVE

Era = Literal["legacy", "modern"]


@dataclass(frozen=True, slots=True)
class ClientCell:
    """A requirement set, whose servers speak that revision, and the era of who calls them through the gateway."""

    revision: str
    era: Era

    def __str__(self) -> str:
        return f"client:{self.revision}:{self.era}"


ERAS: tuple[Era, ...] = ("legacy", "modern")
CLIENT_CELLS = tuple(ClientCell(revision, era) for revision in NATIVE for era in ERAS)
