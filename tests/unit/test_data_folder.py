"""What is proposed to whoever starts a second gateway."""

import pytest

from gateway_core.local.data_folder import next_port


@pytest.mark.parametrize(("taken", "other"), [(8787, 8788), (65_534, 65_535), (65_535, 65_534)])
def test_the_port_that_is_proposed_instead_of_one_that_is_taken_is_a_port(taken: int, other: int):
    assert next_port(taken) == other
