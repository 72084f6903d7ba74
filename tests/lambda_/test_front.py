"""The address and the sign-in that the stack makes where the operator names none."""

import json
import re
from typing import Any

import pytest

from gateway_core.aws.stack_settings import NAMES
from gateway_core.compose_oauth import OIDC_SECRET
from gateway_core.settings import read_settings
from gateway_core.signin.setup import SETUP_KEY
from gateway_core.web.oauth.next_path import setup_path
from gateway_core.web.outlet import PING_EVERY_S
from handlers.viewers import EDGE_HEADER, EDGE_KEY
from tests.lambda_.template import integrations, nested, of_type
from tests.programs import ROOT, environment, output

pytestmark = pytest.mark.tools

OAUTH_ROUTES = {
    "/.well-known/{proxy+}",
    "/authorize",
    "/token",
    "/register",
    "/revoke",
    "/introspect",
    "/oauth/{proxy+}",
    "/connect/{proxy+}",
}


@pytest.fixture(scope="module")
def cdn() -> dict[str, Any]:
    [found] = of_type(nested("cloudfront")["Resources"], "AWS::CloudFront::Distribution").values()
    config: dict[str, Any] = found["DistributionConfig"]
    return config


@pytest.fixture(scope="module")
def sign_in() -> dict[str, Any]:
    found: dict[str, Any] = nested("sign-in")["Resources"]
    return found


def test_the_linter_finds_nothing_wrong_with_a_nested_template():
    linter, templates = environment("sam") / "cfn-lint", sorted((ROOT / "infra").glob("*.yaml"))
    assert len(templates) == 4
    assert output([linter, "-r", "eu-central-1", "-t", *templates]) == ""


def test_oauth_has_its_routes_at_the_root_answered_whole(resources):
    found = {path: one for path, one in integrations(resources).items() if "OAuthFunction" in json.dumps(one["uri"])}
    assert set(found) == OAUTH_ROUTES
    assert not any("responseTransferMode" in one for one in found.values())


def test_a_function_is_told_its_url_by_the_environment_wherever_the_operator_named_one(resources):
    for name in ("McpFunction", "ApiFunction", "OAuthFunction"):
        told = resources[name]["Properties"]["Environment"]["Variables"]
        assert told["PUBLIC_URL"]["Fn::If"][:2] == ["HasPublicUrl", {"Ref": "PublicUrl"}]
    for name in ("McpFunction", "ApiFunction"):
        told = resources[name]["Properties"]["Environment"]["Variables"]["SETTINGS_PARAMETER"]
        assert told["Fn::If"] == ["HasAddress", "", resources["LateSettings"]["Properties"]["Name"]]


def test_what_the_stack_writes_later_is_what_a_function_takes(resources):
    text, values = resources["LateSettings"]["Properties"]["Value"]["Fn::Sub"]
    for name in values:
        text = text.replace(f"${{{name}}}", f"https://{name.lower()}.example")
    assert "$" not in text
    written = json.loads(text)
    assert written.keys() == NAMES
    assert read_settings(written).public_url == "https://url.example"


def test_no_resource_needs_itself_on_any_branch(template):
    needs = {name: _mentioned(one) & template["Resources"].keys() for name, one in template["Resources"].items()}
    while ready := [name for name, needed in needs.items() if not needed]:
        for name in ready:
            del needs[name]
        for needed in needs.values():
            needed.difference_update(ready)
    assert needs == {}


def _mentioned(part: Any) -> set[str]:
    """Names that `part` refers to."""
    if isinstance(part, list):
        return set().union(*map(_mentioned, part))
    if not isinstance(part, dict):
        return set()
    found: set[str] = set()
    for key, value in part.items():
        if key == "Ref":
            found.add(value)
        elif key == "Fn::GetAtt":
            found.add((value if isinstance(value, list) else value.split("."))[0])
        elif key == "Fn::Sub":
            found |= {name.partition(".")[0] for name in re.findall(r"\$\{([A-Za-z.]+)\}", json.dumps(value))}
        elif key == "DependsOn":
            found |= set(value if isinstance(value, list) else [value])
        found |= _mentioned(value)
    return found


def test_the_outputs_and_late_settings_hold_no_secret(template):
    told = [template["Outputs"], template["Resources"]["LateSettings"], nested("sign-in")["Outputs"]]
    secrets = of_type(template["Resources"], "AWS::SecretsManager::Secret").keys()
    assert not _mentioned(told) & (secrets | {"ClientSecret", "OidcClientSecret"})
    assert "resolve:" not in json.dumps(told)
    assert "get-secret-value" in template["Outputs"]["SetupLink"]["Value"]["Fn::Sub"][0]


def test_the_stack_prints_the_set_up_link_and_the_callback_that_the_gateway_knows(template):
    link = template["Outputs"]["SetupLink"]["Value"]["Fn::Sub"][0]
    assert link.startswith(f'echo "${{Url}}{setup_path("")}$(aws secretsmanager get-secret-value')
    name = template["Resources"]["SetupKey"]["Properties"]["Name"]["Fn::Sub"]
    assert name == f"${{AWS::StackName}}/{SETUP_KEY}"
    assert f"--secret-id {name} " in link
    secret = nested("sign-in")["Resources"]["ClientSecret"]["Properties"]["Name"]["Fn::Sub"]
    assert secret == f"${{Prefix}}/{OIDC_SECRET}"
    assert template["Outputs"]["SignInCallback"]["Value"]["Fn::Sub"][0] == "${Url}/oauth/callback"


def test_the_address_keeps_nothing_and_passes_on_everything_but_the_host(cdn):
    behaviour = cdn["DefaultCacheBehavior"]
    assert "CacheBehaviors" not in cdn
    assert "DefaultRootObject" not in cdn, "/ would reach the gateway as something else"
    # AWS's own CachingDisabled and AllViewerExceptHostHeader (CloudFront Developer Guide, "Use managed … policies").
    assert behaviour["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behaviour["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert set(behaviour["AllowedMethods"]) == {"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"}
    assert (behaviour["ViewerProtocolPolicy"], behaviour["Compress"]) == ("https-only", False)


def test_nobody_gets_an_error_that_was_meant_for_somebody_else(cdn):
    kept = {one["ErrorCode"]: one["ErrorCachingMinTTL"] for one in cdn["CustomErrorResponses"]}
    assert kept == dict.fromkeys((400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504), 0)
    assert all(one.keys() == {"ErrorCode", "ErrorCachingMinTTL"} for one in cdn["CustomErrorResponses"])


def test_the_address_leads_to_the_stage_and_outlasts_two_pings(cdn):
    [origin] = cdn["Origins"]
    assert origin["OriginPath"] == {"Fn::Sub": "/${StageName}"}
    assert origin["CustomOriginConfig"]["OriginReadTimeout"] > 2 * PING_EVERY_S
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert origin["ConnectionAttempts"] == 1


def test_the_address_shows_the_functions_the_edge_key_that_they_read(cdn, resources):
    [shown] = cdn["Origins"][0]["OriginCustomHeaders"]
    assert shown["HeaderName"].encode() == EDGE_HEADER
    assert shown["HeaderValue"] == {"Fn::Sub": "{{resolve:secretsmanager:${EdgeKeyArn}:SecretString}}"}
    assert resources["EdgeKey"]["Properties"]["Name"] == {"Fn::Sub": f"${{AWS::StackName}}/{EDGE_KEY}"}


def test_the_user_pool_sends_people_back_with_a_code_to_one_address_and_nowhere_else(sign_in):
    client = sign_in["PoolClient"]["Properties"]
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["CallbackURLs"] == [{"Fn::Sub": "${PublicUrl}/oauth/callback"}]
    assert client["GenerateSecret"] is True
    assert set(client["AllowedOAuthScopes"]) == {"openid", "email", "profile"}
    assert not {"ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"} & set(client["ExplicitAuthFlows"])
    assert client["PreventUserExistenceErrors"] == "ENABLED"


def test_the_user_pool_proves_addresses_asks_for_strong_passwords_and_survives_the_stack(sign_in):
    pool = sign_in["Pool"]
    # A rollback that tries to delete what is protected does not come to an end.
    assert pool["DeletionPolicy"] == pool["UpdateReplacePolicy"] == "Retain"
    assert pool["Properties"]["DeletionProtection"] == "ACTIVE"
    assert pool["Properties"]["AutoVerifiedAttributes"] == ["email"]
    assert pool["Properties"]["UserAttributeUpdateSettings"]["AttributesRequireVerificationBeforeUpdate"] == ["email"]
    assert pool["Properties"]["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["Properties"]["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12
    assert pool["Properties"]["MfaConfiguration"] == "OPTIONAL"


def test_nothing_of_the_user_pool_is_made_where_the_operator_has_a_provider(sign_in):
    for name, one in sign_in.items():
        if one["Type"].startswith("AWS::Cognito::"):
            assert one["Condition"] == "MakesPool", name
    value = sign_in["ClientSecret"]["Properties"]["SecretString"]
    assert value == {
        "Fn::If": ["MakesPool", {"Fn::GetAtt": ["PoolClient", "ClientSecret"]}, {"Ref": "OidcClientSecret"}]
    }


def test_a_client_without_its_provider_is_refused_before_anything_is_made(template):
    rule = template["Rules"]["ClientNeedsIssuer"]
    given = {name["Ref"] for one in rule["RuleCondition"]["Fn::Or"] for name in one["Fn::Not"][0]["Fn::Equals"][:1]}
    assert given == {"OidcClientId", "OidcClientSecret"}
    assert _mentioned(rule["Assertions"]) == {"OidcIssuer"}


def test_the_secret_of_the_operators_provider_is_shown_by_no_description_of_the_stack(template):
    assert template["Parameters"]["OidcClientSecret"]["NoEcho"] is True
    assert nested("sign-in")["Parameters"]["OidcClientSecret"]["NoEcho"] is True
    assert [name for name, one in template["Resources"].items() if "OidcClientSecret" in _mentioned(one)] == ["SignIn"]
