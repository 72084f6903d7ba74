"""One era's messages as the other's: what a client of one and a server of the other would have said to each other.

Pure: dictionaries in, new dictionaries out, nothing mutated. Only the fields on which the eras differ are edited;
every other field passes untouched, unknown ones included. Modern is 2026-07-28, legacy is 2025-11-25 and before.
"""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
"""A JSON object."""
