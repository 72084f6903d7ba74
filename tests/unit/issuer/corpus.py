"""Corpora: one case a line, each with what the specification demands of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CORPORA = Path(__file__).parents[2] / "corpora"


def cases(
    name: str, *, at_least: int, where: Callable[[dict[str, Any]], bool] = lambda _: True
) -> pytest.MarkDecorator:
    """Every case of a corpus, or those `where` something holds, as parameters of a test, by id."""
    found = [json.loads(line) for line in (CORPORA / name).read_text().splitlines()]
    inputs = {json.dumps(case["input"], sort_keys=True) for case in found}
    assert len(inputs) == len(found) >= at_least, f"{name}: a case is there twice, or some are missing"
    assert all(case.keys() == {"id", "input", "verdict", "source"} for case in found)
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in found if where(case)])
