from typing import Any

import pytest

from tests.lambda_.template import transformed


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return transformed()


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]
    return found
