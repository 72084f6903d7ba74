"""Who may write which item, asked of the template's roles for every key that there is."""

import inspect
from typing import Any

import pytest

from gateway_core.ports import Key
from gateway_core.storage import keys
from tests.lambda_.role import Role
from tests.lambda_.template import listed, statements_of

pytestmark = pytest.mark.tools

MCP, API, OAUTH = "McpRole", "ApiRole", "OAuthRole"
WRITERS: dict[str, set[str]] = {
    "organisation_head": {API, OAUTH},
    "member": {API, OAUTH},
    "member_email": {API, OAUTH},
    "member_identity": {API, OAUTH},
    "first_owner": {API, OAUTH},
    "first_owner_of_old": {API},
    "workspace": {API},
    "server": {API},
    "group_mapping": {API},
    "jwt_validation": {API},
    "oauth_client": {API},
    "client_policy": {API},
    "name": {API},
    "grant": {API, OAUTH},
    "access_token": {API, OAUTH},
    "member_grant": {API, OAUTH},
    "member_api_key": {API, OAUTH},
    "api_key": {API, OAUTH},
    "authorization_code": {API, OAUTH},
    "invitation": {API, OAUTH},
    "member_invitation": {API, OAUTH},
    "sign_in": {API, OAUTH},
    "browser": {API, OAUTH},
    "browser_renamed": {API, OAUTH},
    "throttle": {API, OAUTH},
    "spoken": {API, MCP},
    "client_session": {API, MCP},
    "upstream_session": {API, MCP},
    "letter": {API, MCP},
    "data_key": {API, OAUTH, MCP},
    "identity_keys": {API, OAUTH, MCP},
    "connection": {API, OAUTH, MCP},
    "refresh_lease": {API, OAUTH, MCP},
    "member_connection": {API, OAUTH},
    "connect_attempt": {API, OAUTH},
    "connect_browser": {API, OAUTH},
    "pending_consent": {API, OAUTH},
    "upstream_client": {API, OAUTH},
    "entered_client": {API, OAUTH},
    # Of one machine only: on AWS passwords are the provider's, and secrets are in Secrets Manager.
    "password": {API},
    "secret": {API},
}
"""Which roles may write the item of each key."""


def made(name: str) -> Key:
    """Some key of this name."""
    parameters = inspect.signature(getattr(keys, name)).parameters.values()
    key: Key = getattr(keys, name)(*(7 if one.annotation in (int, "int") else "x" for one in parameters))
    return key


def test_every_key_has_its_writers_here():
    functions = inspect.getmembers(keys, inspect.isfunction)
    made_here = {name for name, make in functions if inspect.signature(make).return_annotation in (Key, "Key")}
    assert made_here == WRITERS.keys()


@pytest.mark.parametrize("name", WRITERS)
def test_an_item_is_written_by_the_functions_that_need_to_and_by_no_other(resources: dict[str, Any], name: str):
    key = made(name)
    for operation in ("UpdateItem", "DeleteItem"):
        able = {role for role in (MCP, API, OAUTH) if _role(resources, role).may(operation, key.table, [key.pk])}
        assert able == WRITERS[name]


def test_sign_in_can_take_nothing_along_and_walk_through_no_table(resources: dict[str, Any]):
    role = _role(resources, OAUTH)
    member, code = keys.member_email("a@b.example"), keys.authorization_code("d")
    for operation in ("Query", "UpdateItem", "DeleteItem", "ConditionCheckItem"):
        assert role.may(operation, "registry", [member.pk])
        assert role.may(operation, "grants", [code.pk])
        for decided in (keys.name("linear"), keys.server("s")):
            assert not role.may(operation, "registry", [member.pk, decided.pk])
        assert not role.may(operation, "grants", [code.pk, keys.letter("b", "n").pk])
        for table in ("registry", "grants"):
            assert not role.may(operation, table, [])
    for operation in ("Scan", "PutItem", "BatchWriteItem", "PartiQLSelect", "PartiQLUpdate", "PartiQLInsert"):
        assert not any(role.may(operation, table, [member.pk]) for table in ("registry", "grants"))


def test_each_function_reads_the_secrets_that_it_needs_and_no_other(resources: dict[str, Any]):
    found = {role: _secrets(resources, role, "secretsmanager:GetSecretValue") for role in (MCP, API, OAUTH)}
    assert found == {
        MCP: {"upstream_*", "system/key-ring*"},
        API: {"AdminKey", "edge-key*"},
        OAUTH: {"SetupKey", "oidc-client-secret*", "edge-key*", "system/key-ring*", "upstream_*"},
    }
    assert _secrets(resources, OAUTH, "secretsmanager:CreateSecret") == {"system/key-ring*"}
    assert _secrets(resources, OAUTH, "secretsmanager:PutSecretValue") == set()


@pytest.mark.parametrize("role", [MCP, API, OAUTH])
def test_a_function_reads_the_one_parameter_of_its_stack(resources: dict[str, Any], role: str):
    [one] = [one for one in statements_of(resources, role) if any("ssm:" in action for action in listed(one["Action"]))]
    assert one["Action"] == "ssm:GetParameter"
    assert one["Resource"]["Fn::Sub"].endswith(":parameter/gatehouse/${AWS::StackName}/settings")
    name = resources["LateSettings"]["Properties"]["Name"]
    assert name == {"Fn::Sub": "/gatehouse/${AWS::StackName}/settings"}


def _role(resources: dict[str, Any], name: str) -> Role:
    return Role(statements_of(resources, name))


def _secrets(resources: dict[str, Any], role: str, action: str) -> set[str]:
    return {
        resource["Ref"] if "Ref" in resource else resource["Fn::Sub"].partition("/")[2]
        for statement in statements_of(resources, role)
        if action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }
