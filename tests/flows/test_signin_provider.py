"""Signing in at an identity provider: what comes in, from a provider that keeps to the rules."""

import json
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway_core.errors import SignInFailed
from gateway_core.registry.members import Identity
from gateway_core.signin.cookies import new_value
from tests.flows.signing_in import with_provider
from tests.oidc import ANA, CLIENT_SECRET, EC_KEY, ED_KEY, RSA_KEY


async def test_who_comes_back_is_known_by_issuer_and_subject_and_goes_where_they_wanted_to(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        browser = new_value()
        arrived = await signing.provider.finish(await signing.back(browser, "/authorize?a=b%20c"), browser=browser)
        assert arrived.identity == Identity(idp.url, ANA["sub"])
        assert (arrived.email, arrived.email_verified, arrived.name) == ("ana@acme.dev", True, "Ana Díaz")
        assert (arrived.groups, arrived.next_path) == ((), "/authorize?a=b%20c")


async def test_the_browser_is_sent_with_state_nonce_and_challenge_and_none_of_them_is_in_the_store(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        url = await signing.provider.begin(next_path="/oauth/setup?token=ghs_secret", browser=new_value())
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
        assert url.startswith(f"{idp.url}/authorize?")
        assert set(asked) == {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
                              "code_challenge", "code_challenge_method"}  # fmt: skip
        assert asked["scope"] == "openid email profile"
        stored = (tmp_path / "gatehouse.db").read_bytes() + (tmp_path / "gatehouse.db-wal").read_bytes()
        for secret in (asked["state"], asked["nonce"], "ghs_secret", "/oauth/setup"):
            assert secret.encode() not in stored


@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_client_proves_itself_as_the_metadata_says(tmp_path, auth):
    settings = {"oidc_client_secret": ""} if auth == "none" else {}
    async with with_provider(tmp_path, **settings) as (signing, idp):
        idp.auth = auth
        browser = new_value()
        assert await signing.provider.finish(await signing.back(browser), browser=browser)


async def test_a_secret_that_no_setting_holds_is_read_from_the_secrets(tmp_path):
    async with with_provider(tmp_path, oidc_client_secret="") as (signing, _):
        await signing.parts.setup.secrets.put("oidc-client-secret", CLIENT_SECRET)
        browser = new_value()
        assert await signing.provider.finish(await signing.back(browser), browser=browser)


async def test_metadata_that_names_no_method_means_basic(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.metadata["token_endpoint_auth_methods_supported"] = None
        browser = new_value()
        assert await signing.provider.finish(await signing.back(browser), browser=browser)


async def test_a_provider_that_takes_no_secret_at_all_is_told_to_the_operator(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
        browser = new_value()
        with pytest.raises(SignInFailed, match="tell whoever runs this gateway"):
            await signing.provider.finish(await signing.back(browser), browser=browser)


@pytest.mark.parametrize(
    ("alg", "key"),
    [("RS256", RSA_KEY), ("PS256", RSA_KEY), ("ES256", EC_KEY), ("Ed25519", ED_KEY)],
)
async def test_every_usual_signature_is_believed(tmp_path, alg: str, key: Any):
    async with with_provider(tmp_path) as (signing, idp):
        idp.alg, idp.key = alg, key
        assert (await _arrived(signing)).email == "ana@acme.dev"


async def test_a_signature_that_names_no_key_is_believed_where_only_one_key_fits(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.alg, idp.key, idp.header = "ES256", EC_KEY, {"kid": None}
        assert (await _arrived(signing)).email == "ana@acme.dev"


@pytest.mark.parametrize("verified", [True, "true"])
async def test_an_address_is_theirs_where_the_provider_says_so_in_either_spelling(tmp_path, verified):
    async with with_provider(tmp_path) as (signing, idp):
        idp.person["email_verified"] = verified
        assert (await _arrived(signing)).email_verified


@pytest.mark.parametrize("verified", [False, "false", None, 1, "1", "True", "yes", [True]])
async def test_anything_else_does_not_make_an_address_theirs(tmp_path, verified):
    async with with_provider(tmp_path) as (signing, idp):
        idp.told["email_verified"] = verified
        idp.told["xms_edov"] = True
        arrived = await _arrived(signing)
        assert (arrived.email, arrived.email_verified) == ("ana@acme.dev", False)


@pytest.mark.parametrize(
    "email",
    ["", "ana", "ana@", "a b@acme.dev", "ana@acme.dev\n", "\u212aate@acme.dev", "x" * 250 + "@a.de", 7, None, []],
)
async def test_what_is_no_address_is_none(tmp_path, email):
    async with with_provider(tmp_path) as (signing, idp):
        idp.told["email"] = email
        arrived = await _arrived(signing)
        expected = "ana@acme.dev" if email == "ana@acme.dev\n" else None
        assert (arrived.email, arrived.email_verified) == (expected, expected is not None)


async def test_the_userinfo_endpoint_is_asked_only_where_the_token_names_no_address(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.userinfo = {"sub": ANA["sub"], "email": "other@acme.dev", "email_verified": True}
        assert (await _arrived(signing)).email == "ana@acme.dev"
        assert "/userinfo" not in idp.asked
        idp.told["email"] = None
        assert (await _arrived(signing)).email == "other@acme.dev"


async def test_address_and_whether_it_is_verified_come_from_the_same_place(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.userinfo = {"sub": ANA["sub"], "email": "other@acme.dev"}
        idp.told["email"] = None
        arrived = await _arrived(signing)
        assert (arrived.email, arrived.email_verified) == ("other@acme.dev", False)


async def test_userinfo_of_another_person_signs_nobody_in(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.userinfo = {"sub": "somebody-else", "email": "boss@acme.dev", "email_verified": True}
        idp.told["email"] = None
        with pytest.raises(SignInFailed, match="cannot be trusted"):
            await _arrived(signing)


async def test_userinfo_that_fails_leaves_the_address_unknown(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.userinfo = {}
        idp.told["email"] = None
        idp.answers["/userinfo"] = lambda respond: respond.raw(b"", 500)
        assert (await _arrived(signing)).email is None


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (["dev", "ops"], ("dev", "ops")),
        ("dev", ("dev",)),
        (None, ()),
        ([1, "dev", None], ("dev",)),
        ({"a": 1}, ()),
        (5, ()),
    ],
)
async def test_groups_come_as_a_list_or_a_word_and_a_missing_claim_is_no_group(tmp_path, claim, groups):
    async with with_provider(tmp_path, oidc_groups_claim="cognito:groups") as (signing, idp):
        idp.told["cognito:groups"] = claim
        assert (await _arrived(signing)).groups == groups


async def test_the_groups_scope_is_asked_for_only_where_it_exists(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.metadata["scopes_supported"] = ["openid", "email", "groups"]
        url = await signing.provider.begin(next_path="/", browser=new_value())
        assert parse_qs(urlsplit(url).query)["scope"] == ["openid email profile groups"]


async def test_metadata_is_asked_for_once_an_hour_and_keys_once_a_quarter(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        for seconds, discoveries, fetches in ((0, 1, 1), (899, 1, 1), (1, 1, 2), (2_700, 2, 3)):
            signing.clock[0] += seconds
            await _arrived(signing)
            assert idp.asked.count("/.well-known/openid-configuration") == discoveries
            assert idp.asked.count("/keys") == fetches


async def test_a_new_key_is_found_at_once_and_made_up_ones_are_asked_for_once_a_minute(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        everything = idp.published
        idp.published = everything[:1]
        await _arrived(signing)
        idp.published, idp.alg, idp.key = everything, "ES256", EC_KEY
        await _arrived(signing)
        assert idp.asked.count("/keys") == 2
        idp.header = {"kid": "made-up"}
        for seconds, fetches in ((0, 2), (59, 2), (1, 3), (1, 3)):
            signing.clock[0] += seconds
            with pytest.raises(SignInFailed):
                await _arrived(signing)
            assert idp.asked.count("/keys") == fetches


async def test_an_issuer_with_a_path_and_a_slash_is_found_where_discovery_says(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        issuer = f"{idp.url}/realms/acme/"
        discovery = type(signing.provider.discovery)(issuer, signing.provider.asking, lambda: 0)
        document = json.dumps({**idp.document(), "issuer": issuer}).encode()
        idp.answers["/realms/acme/.well-known/openid-configuration"] = lambda respond: respond.raw(document)
        assert (await discovery.metadata()).token_endpoint == f"{idp.url}/token"


async def test_what_a_sign_in_left_in_the_store_is_gone_when_it_was_finished_or_after_ten_minutes(tmp_path):
    async with with_provider(tmp_path) as (signing, _):
        browser = new_value()
        query = await signing.back(browser)
        signing.clock[0] += 600
        with pytest.raises(SignInFailed, match="expired"):
            await signing.provider.finish(query, browser=browser)


async def test_a_provider_is_known_by_its_host(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        assert signing.provider.name == urlsplit(idp.url).hostname == "127.0.0.1"


@pytest.mark.parametrize(
    ("taken", "sent"),
    [(None, "select_account"), (["select_account", "login"], "select_account"), (["none", "login"], "login"),
     (["none"], None), ([], "select_account"), ("login", "select_account")],
)  # fmt: skip
async def test_who_is_to_choose_an_account_is_asked_to_in_a_way_that_the_provider_takes(tmp_path, taken, sent):
    async with with_provider(tmp_path) as (signing, idp):
        idp.metadata = {"prompt_values_supported": taken}
        begin = partial(signing.provider.begin, next_path="/oauth/account", browser=new_value())
        usual, asked = [parse_qs(urlsplit(url).query) for url in (await begin(), await begin(prompt="select_account"))]
        assert "prompt" not in usual
        assert asked.get("prompt") == (None if sent is None else [sent])
        assert set(asked) - {"prompt"} == set(usual)


async def _arrived(signing: Any) -> Any:
    browser = new_value()
    return await signing.provider.finish(await signing.back(browser), browser=browser)
