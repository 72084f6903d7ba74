"""Request headers as a client sent them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

_JOINED: Final = {"cookie": "; ", "connection": ", "}


class Headers(NamedTuple):
    """Request headers by lower-case name, with a note of those that came twice."""

    values: Mapping[str, str]
    repeated: frozenset[str]

    def get(self, name: str) -> str | None:
        """The value of `name` (lower case), or None."""
        return self.values.get(name)


NO_HEADERS: Final = Headers({}, frozenset())


def read_headers(raw: Sequence[tuple[bytes, bytes]]) -> Headers:
    """Index raw header lines. The first of several equal names wins; which came twice is kept.

    Cookies may come in several lines and are joined (RFC 9113, section 8.2.3): else whoever can add a line in front
    hides those that follow. So are the names of headers that end here (RFC 9110, section 7.6.1).
    """
    values: dict[str, str] = {}
    repeated: set[str] = set()
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1").strip()
        if name not in values:
            values[name] = value
        elif name in _JOINED:
            values[name] += f"{_JOINED[name]}{value}"
        else:
            repeated.add(name)
    return Headers(values, frozenset(repeated))
