"""Tokens that say who calls: what stands in them, how long one is used, and how many are kept."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from gateway_core.errors import Refused, StoreUnavailable
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.upstream import identity_tokens
from gateway_core.upstream.identity_keys import AHEAD_S, FRESH_S, SIGNS_S, IdentityKeys
from gateway_core.upstream.identity_tokens import EARLY_S, LEFT_S, LIFE_S, IdentityTokens
from gateway_core.vault import Vault

NOW = 1_800_000_000
ANA = {"sub": "p-1", "email": "ana@acme.dev"}
LINEAR, GITHUB = "https://linear.example", "https://github.example"


@dataclass
class Signing:
    tokens: IdentityTokens
    clock: list[int]
    url: str = "https://gateway.example"
    asked: int = field(default=0)

    async def own_url(self) -> str:
        self.asked += 1
        return self.url

    async def read(self, token: str) -> Any:
        """What stands in a token that everybody could verify; its claims, with its head."""
        keys = KeySet.import_key_set({"keys": [dict(key) for key in await self.tokens.keys.public()]})
        return jwt.decode(token, keys, algorithms=["RS256"])


@pytest.fixture
async def signing(tmp_path: Path) -> AsyncIterator[Signing]:
    clock = [NOW]

    def now() -> int:
        return clock[0]

    table = SqliteTable(tmp_path / "gatehouse.db", now)
    data_keys = LocalDataKeys(LocalKeyring(tmp_path / "sealing.key", random_bytes=os.urandom), os.urandom)
    keys = IdentityKeys(table, Vault(table, data_keys, os.urandom, now), now)

    async def own_url() -> str:
        return await made.own_url()

    made = Signing(IdentityTokens(keys, own_url, now), clock)
    yield made
    table.close()


async def test_a_token_says_who_for_whom_from_whom_and_for_five_minutes(signing: Signing):
    read = await signing.read(await signing.tokens(ANA, LINEAR))
    jti = read.claims.pop("jti")
    assert read.claims == {
        **ANA, "iss": "https://gateway.example", "aud": LINEAR,
        "iat": NOW - EARLY_S, "nbf": NOW - EARLY_S, "exp": NOW - EARLY_S + LIFE_S,
    }  # fmt: skip
    [public] = await signing.tokens.keys.public()
    assert read.header == {"alg": "RS256", "typ": "JWT", "kid": public["kid"]}
    assert len(jti) >= 16
    assert LIFE_S == 300


async def test_a_token_is_sent_again_while_it_lives_for_more_than_a_minute(signing: Signing):
    first = await signing.tokens(ANA, LINEAR)
    signing.clock[0] += LIFE_S - EARLY_S - LEFT_S - 1
    assert await signing.tokens(dict(reversed(ANA.items())), LINEAR) == first
    assert signing.asked == 1
    signing.clock[0] += 1
    second = await signing.tokens(ANA, LINEAR)
    read = [(await signing.read(token)).claims for token in (first, second)]
    assert read[0]["jti"] != read[1]["jti"]
    assert read[1]["exp"] - read[0]["exp"] == LIFE_S - EARLY_S - LEFT_S


async def test_another_server_another_caller_and_another_name_of_theirs_are_another_token(signing: Signing):
    asked = [(ANA, LINEAR), (ANA, GITHUB), ({**ANA, "sub": "p-2"}, LINEAR), ({**ANA, "name": "Ana"}, LINEAR)]
    tokens = [await signing.tokens(*each) for each in asked]
    assert len(set(tokens)) == len(asked)
    assert [await signing.tokens(*each) for each in asked] == tokens


async def test_of_the_tokens_in_memory_the_one_goes_first_that_was_not_used_for_the_longest_time(
    signing: Signing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(identity_tokens, "MAX_HELD", 2)
    first, second = await signing.tokens(ANA, "https://1"), await signing.tokens(ANA, "https://2")
    for _ in range(2):
        assert await signing.tokens(ANA, "https://2") == second
        assert await signing.tokens(ANA, "https://1") == first
    await signing.tokens(ANA, "https://3")
    assert await signing.tokens(ANA, "https://1") == first
    assert await signing.tokens(ANA, "https://2") != second
    assert len(signing.tokens._held) == 2


async def test_tokens_go_on_under_the_next_key_and_the_one_before_verifies_on(signing: Signing):
    await signing.tokens(ANA, LINEAR)
    signing.clock[0] += SIGNS_S
    await signing.tokens.keys.public()
    signing.clock[0] += AHEAD_S - 1
    old = await signing.tokens(ANA, LINEAR)
    signing.clock[0] += FRESH_S
    new = await signing.tokens(ANA, GITHUB)
    kids = [(await signing.read(token)).header["kid"] for token in (old, new)]
    assert [key["kid"] for key in await signing.tokens.keys.public()] == kids


async def test_a_gateway_without_an_address_signs_nothing_and_says_who_can_change_that(signing: Signing):
    signing.url = ""
    with pytest.raises(Refused, match="Ask its operator to set PUBLIC_URL") as refused:
        await signing.tokens(ANA, LINEAR)
    assert refused.value.reason == "no_public_url"
    signing.url = "https://gateway.example"
    assert (await signing.read(await signing.tokens(ANA, LINEAR))).claims["iss"] == signing.url


async def test_a_gateway_that_is_still_finding_out_its_address_says_so(signing: Signing):
    async def starting() -> str:
        raise StoreUnavailable("The gateway is starting.")

    tokens = IdentityTokens(signing.tokens.keys, starting, signing.tokens.clock)
    with pytest.raises(StoreUnavailable, match="starting"):
        await tokens(ANA, LINEAR)


async def test_no_token_shows_where_the_state_of_a_process_is_printed(signing: Signing):
    token = await signing.tokens(ANA, LINEAR)
    assert token not in repr(signing.tokens)
