"""The cookie, the places it leads to, and the group mapping."""

import pytest

from gateway_core.errors import Invalid
from gateway_core.registry.members import Roles
from gateway_core.signin import groups
from gateway_core.signin.cookies import clear_cookie, cookie_name, new_value, read_cookie, set_cookie
from gateway_core.signin.groups import MAX_GROUP, MAX_ROWS, GroupMapping, mapped, replacing, roles_of

HTTPS, HTTP = "https://mcp.example.com", "http://127.0.0.1:8787"
A, B = "A" * 43, "B" * 43


def test_behind_https_the_cookie_stays_with_this_host_and_out_of_reach_of_scripts():
    expected = f"__Host-gatehouse={A}; Max-Age=604800; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert set_cookie(HTTPS, A) == expected
    assert clear_cookie(HTTPS) == "__Host-gatehouse=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"


def test_on_one_machine_over_http_the_cookie_has_no_prefix_that_browsers_would_refuse():
    assert set_cookie(HTTP, A) == f"gatehouse-8787={A}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
    assert cookie_name(HTTP) == "gatehouse-8787"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (f"__Host-gatehouse={A}", A),
        (f"a=b; __Host-gatehouse={A};c=d", A),
        (f"gatehouse={A}", None),
        (f"__Host-gatehouse={A}; __Host-gatehouse={B}", None),
        (f"__host-gatehouse={A}", None),
        (f'__Host-gatehouse="{A}"', None),
        ("__Host-gatehouse=", None),
        ("__Host-gatehouse", None),
        ("", None),
        (None, None),
    ],
)
def test_the_cookie_is_read_where_there_is_exactly_one(header, value):
    assert read_cookie(HTTPS, header) == value


def test_values_are_256_bits_and_never_the_same():
    values = {new_value() for _ in range(1_000)}
    assert len(values) == 1_000
    assert {len(value) for value in values} == {43}


MAPPING = (
    GroupMapping("dev", None, {"ws-1": "member", "ws-2": "admin"}),
    GroupMapping("ops", "auditor", {"ws-1": "manager"}),
    GroupMapping("guests"),
)


@pytest.mark.parametrize(
    ("names", "lets_in", "roles"),
    [
        ((), False, Roles()),
        (("other", "DEV", "dev "), False, Roles()),
        (("guests",), True, Roles()),
        (("dev",), True, Roles("member", {"ws-1": "member", "ws-2": "admin"})),
        (("ops", "dev"), True, Roles("auditor", {"ws-1": "manager", "ws-2": "admin"})),
    ],
)
def test_groups_give_the_higher_of_their_roles(names, lets_in, roles):
    assert (mapped(names, MAPPING), roles_of(names, MAPPING)) == (lets_in, roles)


def test_a_mapping_reads_back_as_it_was():
    assert groups.from_data(groups.to_data(MAPPING)) == MAPPING


@pytest.mark.parametrize(
    "mapping",
    [
        [GroupMapping(f"{n}") for n in range(MAX_ROWS + 1)],
        [GroupMapping("a"), GroupMapping("a")],
        [GroupMapping("")],
        [GroupMapping("x" * (MAX_GROUP + 1))],
        [GroupMapping("a\nb")],
    ],
)
def test_a_mapping_that_cannot_be_kept_is_refused(mapping):
    with pytest.raises(Invalid):
        replacing(mapping, version=0)


def test_the_largest_mapping_can_be_kept():
    assert replacing([GroupMapping(f"{n:0{MAX_GROUP}}") for n in range(MAX_ROWS)], version=3)
