"""Request headers as a client sent them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Headers:
    """Request headers by lower-case name, with a note of those that came twice."""

    values: Mapping[str, str]
    repeated: frozenset[str]

    def get(self, name: str) -> str | None:
        """The value of `name` (lower case), or None."""
        return self.values.get(name)


def read_headers(raw: Sequence[tuple[bytes, bytes]]) -> Headers:
    """Index raw header lines. The first of several equal names wins; which came twice is kept."""
    values: dict[str, str] = {}
    repeated: set[str] = set()
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1").lower()
        if name in values:
            repeated.add(name)
        else:
            values[name] = raw_value.decode("latin-1").strip()
    return Headers(values, frozenset(repeated))
