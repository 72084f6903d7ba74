"""Everything that signing in and handing out tokens does to the tables, held to what its role may."""

import base64
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gateway_core.admin.administration import Administration
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft
from gateway_core.aws.json_api import JsonApi
from gateway_core.aws.sending import Send
from gateway_core.compose_lean import StandardOutput, World
from gateway_core.compose_oauth import issuer, linking, sign_in
from gateway_core.connect.attempts import MAX_AT_ONCE, Attempt
from gateway_core.connect.connected import Connected
from gateway_core.connect.kept_clients import KeptClient
from gateway_core.connect.registering import Registered
from gateway_core.egress import Policy
from gateway_core.errors import StoreUnavailable
from gateway_core.headers import read_headers
from gateway_core.issuer.grants import Grants
from gateway_core.issuer.issuer import Issuer
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import ABSENT, Put
from gateway_core.registry.directory import Directory
from gateway_core.registry.members import Identity, Roles
from gateway_core.registry.people import People
from gateway_core.settings import Settings
from gateway_core.signin.arriving import Arrived
from gateway_core.storage import keys
from gateway_core.storage.dynamo import DynamoTable
from gateway_core.upstream.connections import Connection, Tokens
from gateway_core.upstream.holders import Holder
from gateway_core.web.oauth.reach import Reach
from tests.contracts.aws import json_api, new_id, send
from tests.lambda_.role import Guarded, Role
from tests.lambda_.test_events import deployment

NOW = 1_795_000_000
URL = "https://gate.example"
FORM = read_headers([(b"content-type", b"application/x-www-form-urlencoded")])
ANA = Arrived(Identity("https://idp.example", "ana"), "ana@acme.dev", True, "Ana", ("eng",), "/oauth/account")
BEN = replace(ANA, identity=Identity("https://idp.example", "ben"), email="ben@acme.dev", name="Ben")

OAUTH_SERVER = {"slug": "s", "url": "https://s.example/mcp", "workspaces": ["research"], "auth": {"type": "oauth"}}


class SetupKey:
    """Secrets Manager with the one secret of the first owner."""

    async def get(self, name: str) -> str | None:
        return "the-setup-key" if name == "setup-key" else None


@dataclass
class Deployed:
    world: World
    settings: Settings
    guarded: Guarded
    admins: DynamoTable
    """The tables as the API function has them."""


@asynccontextmanager
async def deployed(folder: Path) -> AsyncIterator[Deployed]:
    async with deployment() as environment:
        names: dict[Literal["registry", "grants"], str] = {
            "registry": environment["REGISTRY_TABLE"],
            "grants": environment["GRANTS_TABLE"],
        }
        url = environment["AWS_ENDPOINT_URL"]
        guarded = Guarded(url, Role.of_template("OAuthRole"), {name: table for table, name in names.items()})
        mine, theirs = (
            DynamoTable(_patient(url, through), names, lambda: NOW, new_id=new_id) for through in (guarded.send, send)
        )
        keyring = LocalKeyring(folder / "key", random_bytes=os.urandom)
        data_keys, output = LocalDataKeys(keyring, os.urandom), StandardOutput()
        world = World(mine, keyring, data_keys, SetupKey(), output, lambda: NOW, Policy())  # type: ignore[arg-type]
        settings = Settings(
            public_url=URL,
            registry_table=names["registry"],
            grants_table=names["grants"],
            oidc_issuer="https://idp.example",
            oidc_client_id="c",
        )
        admin = Administration(theirs, world.secrets, world.clock, check_url=str)
        config = {"workspaces": [{"slug": "research"}], "servers": [OAUTH_SERVER]}
        await admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config)))
        yield Deployed(world, settings, guarded, theirs)


def _patient(url: str, through: Send) -> JsonApi:
    """moto answers one at a time, on a machine that other tests keep busy."""
    return replace(json_api(url, lambda: NOW, sending=through), attempt_s=60)


async def token(issuing: Issuer, **fields: str) -> dict[str, Any]:
    answer = await issuing.token(FORM, urlencode(fields).encode())
    assert answer.status == 200, answer.body
    return answer.body


async def test_the_first_owner_and_an_invited_person_come_in_within_the_role(tmp_path: Path):
    async with deployed(tmp_path) as made:
        parts = sign_in(made.settings, made.world)
        for what in ("setup", "signin_address", "invitation"):
            await parts.throttle.check(what, "203.0.113.9")
        owner = await parts.entrance.arrived(ANA, setup="the-setup-key")
        assert owner.roles.organisation == "owner"
        invited = await People(made.admins, made.world.clock).add("ben@acme.dev", given=Roles(), by=owner.id)
        link = await parts.invitations.make(invited.id, by=owner.id)
        assert (await parts.entrance.arrived(BEN, invitation=link)).id == invited.id
        assert (await parts.entrance.arrived(BEN)).id == invited.id
        cookie = await parts.sessions.start(owner.id)
        cookie = await parts.sessions.start(owner.id, instead_of=cookie)
        assert await parts.sessions.find(cookie)
        await parts.sessions.end(cookie)
        await parts.close()
    assert made.guarded.refused == []


async def test_what_groups_give_and_take_is_kept_within_the_role(tmp_path: Path):
    async with deployed(tmp_path) as made:
        config = {"groups": [{"group": "eng", "workspaces": {"research": "member"}}]}
        admin = Administration(made.admins, made.world.secrets, made.world.clock, check_url=str)
        await admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config)))
        head = await made.admins.get(keys.organisation_head())
        parts = sign_in(made.settings, made.world)
        ben = await parts.entrance.arrived(BEN)
        assert list(ben.roles.workspaces.values()) == ["member"]
        assert (await parts.entrance.arrived(replace(BEN, groups=()))).roles == Roles()
        assert await made.admins.get(keys.organisation_head()) != head, "every process reads the member anew"
        await parts.close()
    assert made.guarded.refused == []


DECIDED = (
    keys.server("s"),
    keys.workspace("w"),
    keys.name("s"),
    keys.group_mapping(),
    keys.oauth_client("c"),
    keys.jwt_validation(),
    keys.client_policy(),
)
"""What administrators alone decide."""


async def test_who_signs_people_in_reads_what_administrators_decided_and_can_change_none_of_it(tmp_path: Path):
    async with deployed(tmp_path) as made:
        table = made.world.table
        for key in DECIDED:
            before = await made.admins.put(key, {"n": 1})
            along = [Put(keys.member("p-eve"), {"n": 2}), Put(key, {"n": 2})]
            writes = (
                table.put(key, {"n": 2}),
                table.delete(key),
                table.add(key, 1, expires_at=NOW),
                table.transact(along),
            )
            for write in writes:
                with pytest.raises(StoreUnavailable):
                    await write
            assert [(operation, pks) for operation, _, pks in made.guarded.refused] == [
                (operation, (key.pk,)) for operation in ("UpdateItem", "DeleteItem", "UpdateItem", "UpdateItem")
            ]
            made.guarded.refused.clear()
            assert await table.get(key) == before
        assert await table.get(keys.member("p-eve")) is None


async def test_a_client_registers_and_gets_renews_and_loses_its_tokens_within_the_role(tmp_path: Path):
    async with deployed(tmp_path) as made:
        parts, issuing = sign_in(made.settings, made.world), issuer(made.settings, made.world)
        owner = await parts.entrance.arrived(ANA, setup="the-setup-key")
        offer = await Reach(made.world.table, Directory(made.world.table)).offer(owner, None)
        [place] = offer.places
        back = "http://127.0.0.1:3000/callback"
        registered = await issuing.register(
            read_headers([(b"content-type", b"application/json")]),
            b'{"client_name":"c","redirect_uris":["%s"],"token_endpoint_auth_method":"none"}' % back.encode(),
        )
        client, verifier = registered.body["client_id"], "v" * 43
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": back,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        request = await issuing.read(urlencode(asked))
        resource = f"{URL}/research/mcp"
        to = await issuing.approve(request, member_id=owner.id, place=place.workspace.id, resource=resource)
        [code] = parse_qs(urlsplit(to).query)["code"]
        given = {"client_id": client, "redirect_uri": back, "code_verifier": verifier}
        first = await token(issuing, grant_type="authorization_code", code=code, **given)
        renewed = await token(
            issuing, grant_type="refresh_token", refresh_token=first["refresh_token"], client_id=client
        )
        assert renewed["access_token"] != first["access_token"]
        grants = Grants(made.world.table, made.world.clock)
        [grant] = await grants.of_member(owner.id)
        assert [one.id for one in await grants.of_place(place.workspace.id)] == [grant.id]
        form = urlencode({"token": renewed["refresh_token"], "client_id": client}).encode()
        assert (await issuing.revoke(FORM, form)).status == 200
        assert await grants.of_member(owner.id) == []
        await parts.close()
        await issuing.close()
    assert made.guarded.refused == []
    assert made.guarded.asked["UpdateItem", "grants"] > 0


async def test_an_account_is_connected_and_taken_away_within_the_role(tmp_path: Path):
    async with deployed(tmp_path) as made:
        parts = sign_in(made.settings, made.world)
        links = linking(made.settings, made.world, parts.egress)
        owner = await parts.entrance.arrived(ANA, setup="the-setup-key")
        await parts.throttle.check("connect_account", owner.id)
        assert (await links.connectables.find("research", "s", owner)).holder == Holder("user", owner.id)
        attempts = links.authorizing.attempts
        made_at = Attempt(
            "srv-s", "ws", Holder("user", owner.id), owner.id, "https://login.example", True, False, "https://s.example",
            "c", True, "none", "https://login.example/token", None, None, ("read",), "v" * 64, None, "",
        )  # fmt: skip
        for _ in range(MAX_AT_ONCE + 2):
            state = await attempts.begin("b" * 64, made_at)
        assert await attempts.take("b" * 64, state) == made_at
        registered, now = Registered("c", "none", None, None), made.world.clock()
        kept, client = links.authorizing.registrations.kept, KeptClient(registered, links.own.callback, now)
        await kept.keep("srv-s", "https://login.example", client, when=ABSENT)
        await kept.forget("srv-s", "https://login.example", "c")
        account = Connection(
            "srv-s", Holder("user", owner.id), "https://login.example", "https://s.example", "c", "none",
            "https://login.example/token", None, None, ("read",), ("read",), None, now, owner.email, now, None,
        )  # fmt: skip
        await links.connections.add(account, Tokens("a", "r"))
        [found] = await Connected(made.world.table).of_member(owner.id)
        await links.disconnecting.disconnect(found, None, by=owner.id)
        assert await Connected(made.world.table).of_member(owner.id) == []
        await parts.close()
    assert made.guarded.refused == []


@pytest.mark.parametrize("operation", ["UpdateItem", "DeleteItem"])
async def test_the_guard_sees_into_transactions(operation: str):
    kind = operation.removesuffix("Item")
    guarded = Guarded("http://127.0.0.1:1", Role.of_template("OAuthRole"), {"r": "registry"})
    body = b'{"TransactItems": [{"%s": {"TableName": "r", "Key": {"pk": {"S": "NAME#x"}}}}]}' % kind.encode()
    assert not guarded.allows("DynamoDB_20120810.TransactWriteItems", body)
    assert guarded.refused == [(operation, "registry", ("NAME#x",))]
