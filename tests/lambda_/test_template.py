"""What CloudFormation gets to see: the template after SAM's transform, and the tables as they are."""

import json
import os

import pytest
import yaml

from gateway_core.aws.data_keys import CONTEXT
from gateway_core.storage import keys
from tests.lambda_.role import Role
from tests.lambda_.template import integrations, listed, of_type, statements, statements_of
from tests.programs import ROOT, environment, output

pytestmark = pytest.mark.tools

WITHOUT_NARROWER = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "secretsmanager:ListSecrets"}
"""Actions that IAM knows only for all resources (Service Authorization Reference)."""


def test_sam_finds_nothing_wrong_with_the_template():
    sam = str(environment("sam") / "sam")
    said = output(["env", "SAM_CLI_TELEMETRY=0", sam, "validate", "--lint", "--region", "eu-central-1"])
    assert "is a valid SAM Template" in said


def test_every_route_of_the_mcp_function_streams_for_as_long_as_a_function_may_run(resources):
    mcp = {path: one for path, one in integrations(resources).items() if "McpFunction" in json.dumps(one["uri"])}
    assert set(mcp) == {
        "/{name}/{server}/mcp",
        "/{name}/mcp",
        "/k/{name}/{server}/mcp",
        "/k/{name}/mcp",
        "/{name}/{server}/sse",
        "/{name}/sse",
        "/healthz",
        "/",
    }
    for one in mcp.values():
        assert (one["responseTransferMode"], one["timeoutInMillis"]) == ("STREAM", 900_000)
        assert one["uri"]["Fn::Sub"].endswith("/response-streaming-invocations")
    assert resources["McpFunction"]["Properties"]["Timeout"] == 900


def test_the_admin_api_is_answered_whole(resources):
    one = integrations(resources)["/api/v1/{proxy+}"]
    assert "responseTransferMode" not in one
    assert "ApiFunction" in one["uri"]["Fn::Sub"]


def test_no_two_names_stand_for_a_variable_at_one_place_of_the_path(resources):
    # API Gateway refuses that at deployment, and no linter says so before.
    names: dict[str, str] = {}
    for path in integrations(resources):
        before = ""
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                assert names.setdefault(before, segment) == segment
            before += "/" + ("{}" if segment.startswith("{") else segment)


def test_the_mcp_function_starts_our_loop_on_the_managed_runtime(resources):
    function = resources["McpFunction"]["Properties"]
    wrapper = function["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"]
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert os.access(ROOT / wrapper.removeprefix("/var/task/"), os.X_OK)
    assert "AWS_LAMBDA_EXEC_WRAPPER" not in resources["ApiFunction"]["Properties"]["Environment"]["Variables"]


def test_no_permission_is_for_everything_where_iam_knows_less(resources):
    for statement in statements(resources):
        actions = set(listed(statement["Action"]))
        assert not any("*" in action for action in actions), statement
        if "*" in listed(statement["Resource"]):
            assert actions <= WITHOUT_NARROWER, statement


SHARED = (
    keys.spoken("s"),
    keys.client_session("d"),
    keys.upstream_session("s", "d"),
    keys.letter("b", "N000001"),
    keys.data_key("w"),
)
"""What the calls of the data plane leave for each other."""
GRANTED = (keys.api_key("w", "k"), keys.secret("name"), keys.member_grants("m"), keys.authorization_code("d"))
DECIDED = (keys.organisation_head(), keys.workspace("w"), keys.server("s"), keys.name("slug"))
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")


@pytest.fixture(scope="module")
def role(resources) -> Role:
    return Role(statements_of(resources, "McpRole"))


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("key", [*GRANTED, *DECIDED], ids=lambda key: " ".join(key[1:]))
def test_the_data_plane_can_change_no_key_no_secret_and_nothing_that_administrators_decided(role, operation, key):
    assert not role.may(operation, key.table, [key.pk])


@pytest.mark.parametrize("key", SHARED, ids=lambda key: key.pk)
def test_the_data_plane_keeps_what_its_calls_share(role, key):
    assert all(role.may(operation, key.table, [key.pk]) for operation in ("Query", "UpdateItem", "DeleteItem"))
    assert not role.may("UpdateItem", "registry", [key.pk])


@pytest.mark.parametrize("key", GRANTED, ids=lambda key: key.pk)
def test_a_request_of_the_data_plane_for_something_shared_cannot_take_a_key_along(role, key):
    for operation in ("Query", "UpdateItem", "DeleteItem"):
        assert not role.may(operation, "grants", [SHARED[0].pk, key.pk])
        assert not role.may(operation, "grants", [])


def test_the_data_plane_can_list_nobodys_keys_and_walk_through_no_table(role):
    assert not role.may("Query", "grants", [keys.workspace_grants("w").pk])
    for operation in ("Scan", "PartiQLSelect", "PartiQLUpdate", "PartiQLInsert", "PartiQLDelete"):
        assert not any(role.may(operation, table, pks) for table in ("registry", "grants") for pks in ([], ["MAIL#b"]))


def test_the_data_plane_uses_no_action_on_tables_that_nothing_needs(resources):
    mcp = statements_of(resources, "McpRole")
    on_tables = {action for one in mcp for action in listed(one["Action"]) if action.startswith("dynamodb:")}
    needed = ("GetItem", "BatchGetItem", "Query", "UpdateItem", "DeleteItem")
    assert on_tables == {f"dynamodb:{action}" for action in needed}


def test_the_data_plane_cannot_read_the_administrators_key(resources):
    mcp = statements_of(resources, "McpRole")
    for one in mcp:
        if any(action.startswith("secretsmanager:") for action in listed(one["Action"])):
            for arn in listed(one["Resource"]):
                assert arn["Fn::Sub"].partition("/")[2] in ("upstream_*", "system/key-ring*")


@pytest.mark.parametrize(("setting", "parameter"), [("LISTEN_S", "ListenSeconds"), ("ASK_S", "AskSeconds")])
def test_an_operator_decides_how_long_a_function_is_billed_for_waiting(resources, setting, parameter):
    variables = resources["McpFunction"]["Properties"]["Environment"]["Variables"]
    assert variables[setting] == {"Ref": parameter}


def test_the_key_is_used_through_secrets_manager_for_named_secrets_and_directly_for_data_keys_alone(resources):
    uses = [one for one in statements(resources) if any(a.startswith("kms:") for a in listed(one["Action"]))]
    direct = [one for one in uses if one["Sid"] == "MakesAndUnwrapsDataKeys"]
    for one in uses:
        assert one["Resource"] == {"Fn::GetAtt": ["SecretsKey", "Arn"]}
        if one not in direct:
            assert one["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Sub"].startswith("secretsmanager.")
            assert one["Condition"]["StringLike"]["kms:EncryptionContext:SecretARN"]
    for one in direct:
        # Both: ForAllValues alone also holds where a request has no context at all.
        assert one["Condition"] == {
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": [CONTEXT]},
            "Null": {"kms:EncryptionContextKeys": "false"},
        }


@pytest.mark.parametrize("name", ["McpRole", "ApiRole", "OAuthRole"])
def test_every_function_that_reads_or_makes_connected_accounts_can_make_and_unwrap_their_keys(resources, name):
    [one] = [one for one in statements_of(resources, name) if one["Sid"] == "MakesAndUnwrapsDataKeys"]
    assert set(one["Action"]) == {"kms:GenerateDataKey", "kms:Decrypt"}


def test_the_key_is_rotated_and_outlives_the_stack(resources):
    assert resources["SecretsKey"]["Properties"]["EnableKeyRotation"] is True
    assert resources["SecretsKey"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resources["SecretsKey"]["UpdateReplacePolicy"] == "Retain"
    for function in of_type(resources, "AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["KMS_KEY_ID"] == {"Fn::GetAtt": ["SecretsKey", "Arn"]}


def test_every_log_is_kept_for_a_set_time_and_every_function_writes_to_one(resources):
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert {group["RetentionInDays"]["Ref"] for group in groups.values()} == {"LogRetentionDays"}
    for function in of_type(resources, "AWS::Lambda::Function").values():
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups
        assert function["TracingConfig"] == {"Mode": "Active"}


def test_the_stage_is_throttled_and_logs_neither_headers_nor_what_a_client_wrote_into_the_path(resources):
    [stage] = of_type(resources, "AWS::ApiGateway::Stage").values()
    [settings] = stage["MethodSettings"]
    assert settings["ThrottlingRateLimit"] == settings["ThrottlingBurstLimit"] == {"Ref": "StageThrottle"}
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
    fields = json.loads(stage["AccessLogSetting"]["Format"])
    assert not {"$context.path", "$context.identity.userAgent", "$context.protocol"} & set(fields.values())


@pytest.mark.parametrize("table", ["RegistryTable", "GrantsTable"])
def test_the_tables_cannot_be_deleted_by_accident_and_can_be_brought_back_to_any_second(table: str):
    template = yaml.safe_load((ROOT / "infra" / "tables.yaml").read_text())
    assert template["Parameters"]["DeletionProtection"]["Default"] == "true"
    resource = template["Resources"][table]
    assert resource["DeletionPolicy"].startswith("Retain")
    assert resource["Properties"]["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert resource["Properties"]["TimeToLiveSpecification"]["Enabled"] is True
