"""The canary itself: a leak of each kind is planted, by the doors of a running gateway, and it is found."""

import base64
import json
import logging
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from joserfc import jws

from gateway_core.access import api_keys, grants
from gateway_core.errors import NotAllowed
from gateway_core.issuer import client, codes
from gateway_core.local.archive import write_archive
from gateway_core.local.data_folder import DATABASE, KEY_FILE, random_admin_key
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.ports import Key
from gateway_core.signin import cookies
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.vault import Vault
from gateway_core.web.mcp import McpApp
from tests.canary.allowed import ALLOWED
from tests.canary.files import FOLDERS
from tests.canary.marks import MARK, SHORTEST, marked
from tests.canary.watch import MOST_HELD, MOST_KNOWN, WATCH, Kind, Leak
from tests.contracts.aws import dynamo_table
from tests.contracts.conftest import aws_url
from tests.flows.browsers import invited, sign_in_as, stage
from tests.flows.foreign import EC
from tests.flows.gateways import call, gateway
from tests.flows.token_servers import read_form
from tests.flows.upstreams import upstream, weather
from tests.programs import ROOT

FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
__all__ = ["aws_url"]

SECRET = marked("planted")
logger = logging.getLogger("gateway_core.planted")


@pytest.fixture
def found() -> Iterator["Found"]:
    """What is found at the end of this test is what it asks for; nothing of it is left for the report."""
    WATCH.leaks()
    yield Found()
    FOLDERS.read()
    WATCH.leaks()


class Found:
    """Calling it is the end of a test."""

    def __call__(self) -> list[Leak]:
        FOLDERS.read()
        return WATCH.leaks()

    def one(self) -> Leak:
        leaks = self()
        assert len(leaks) == 1, leaks
        assert MARK not in str(leaks), "a report must not leak either"
        return leaks[0]


@pytest.mark.parametrize("spelt", [SECRET, base64.b64encode(f"x{SECRET}".encode()).decode(), SECRET.encode().hex()])
def test_a_secret_in_a_log_line_is_found_however_it_is_written(found: Found, spelt: str):
    logger.info("said", extra={"fields": {"header": f"Basic {spelt}"}})
    assert (found.one().kind, found()) == ("log", [])


def test_a_secret_in_a_traceback_is_found(found: Found):
    try:
        int(SECRET)
    except ValueError:
        logger.exception("request_failed")
    assert found.one().kind == "log"


def test_what_the_libraries_of_clients_log_is_not_the_gateways(found: Found):
    logging.getLogger("httpx2").info("GET /oauth/callback?code=%s", SECRET)
    assert found() == []


async def test_a_secret_in_a_record_or_a_log_file_or_an_item_is_found(found: Found, tmp_path: Path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        await gw.post("/weather/mcp", call(), user_agent=f"{SECRET}/1")
        await gw.table.put(Key("grants", "CONNECTIONS#s1", "HOLDER#org"), {"access": SECRET})
        (tmp_path / "gateway.log").write_text(f"GET /?token={SECRET}")
    places = {(leak.kind, leak.where) for leak in found()}
    assert places == {("record", "call"), ("item", "gatehouse.db"), ("file", "gateway.log")}


async def test_a_secret_in_an_error_is_found(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def refuse(*_: object) -> None:
        raise NotAllowed(f"The token {SECRET} is not good.")

    async with gateway(tmp_path, {}) as gw:
        monkeypatch.setattr(McpApp, "_route", refuse)
        await gw.post("/research/weather/mcp", call())
    assert [(leak.kind, leak.where) for leak in found()] == [("answer", "POST /research/weather/mcp 403")]


async def test_a_secret_on_a_page_is_found(found: Found, tmp_path: Path):
    async with stage(tmp_path) as at:
        # The name of a person is on their page, and in an item.
        await sign_in_as(at.gw, at.ana, await invited(at.gw, "bo@example.com", name=SECRET))
        await at.ana.open("/oauth/account")
    assert {(leak.kind, leak.where) for leak in found()} == {("answer", "GET /oauth/account 200"), ("item", DATABASE)}


def test_a_cookie_is_allowed_where_it_is_set_and_nowhere_else(found: Found):
    cookie = cookies.new_value()
    WATCH.hear_answer("GET /", 303, [("set-cookie", f"__Host-gatehouse={cookie}; Path=/"), ("location", "/")], b"")
    WATCH.hear_answer("GET /", 303, [("location", f"/?sid={cookie}")], b"")
    assert (found.one().what, found()) == ("a cookie", [])


async def test_what_was_set_as_a_secret_is_known_whatever_it_looks_like(found: Found, tmp_path: Path):
    async with gateway(tmp_path, {}) as gw:
        await gw.admin.set_secret("weather-key", "swordfish 1234")
        assert found() == []
        await gw.admin.set_secret("weather-key", "swordfish 1234")
        logger.warning("swordfish 1234")
    assert found.one().what == "the secret weather-key"


async def test_what_was_sealed_is_known_and_the_sealed_text_is_none(found: Found, tmp_path: Path):
    with closing(SqliteTable(tmp_path / DATABASE, lambda: 0)) as table:
        keyring = LocalKeyring(tmp_path / KEY_FILE, random_bytes=os.urandom)
        vault = Vault(table, LocalDataKeys(keyring, os.urandom), os.urandom, lambda: 0)
        plain = b'["ya29.of-an-account", null, null]'
        sealed = await vault.seal("org", plain, context="connection|s1|org|https://login.example")
        await table.put(
            Key("grants", "CONNECTIONS#s1", "HOLDER#org"), {"sealed": sealed, "account": "ya29.of-an-account"}
        )
    assert (found.one().kind, found()) == ("item", [])


def test_what_a_client_sends_to_a_token_endpoint_is_known(found: Found):
    verifier = secrets.token_urlsafe(32)
    read_form(FORM, f"grant_type=authorization_code&code_verifier={verifier}".encode())
    logger.info("asked", extra={"fields": {"body": f"v={verifier}"}})
    assert found.one().what == "a code_verifier"


async def test_an_item_is_found_in_the_log_of_a_store_its_backup_and_a_folder_that_is_gone(
    found: Found, tmp_path: Path
):
    key = Key("grants", "SPOKEN#s1", "SPOKEN")
    with closing(SqliteTable(tmp_path / DATABASE, lambda: 0)) as table:
        await table.put(key, {"token": SECRET})
        assert found.one().where == f"{DATABASE}-wal"
        (tmp_path / KEY_FILE).write_text("{}")
        write_archive(tmp_path, tmp_path / "backup.tar.gz")
    assert {leak.where for leak in found()} == {DATABASE, f"backup.tar.gz/{DATABASE}"}
    with tempfile.TemporaryDirectory() as elsewhere:
        table = SqliteTable(Path(elsewhere) / DATABASE, lambda: 0)
        await table.put(key, {"token": SECRET})
        table.close()
    assert found.one().kind == "item"


async def test_an_item_in_dynamodb_is_found(found: Found, aws_url: str):
    table = await dynamo_table(aws_url, lambda: 0)
    await table.put(Key("grants", "SPOKEN#s1", "SPOKEN"), {"token": SECRET})
    assert await table.get(Key("grants", "SPOKEN#s1", "SPOKEN"))
    assert (found.one().kind, found()) == ("item", [])


GIVEN = {
    "an API key": lambda: api_keys.generate("ws-12345678", "k-12345678"),
    "an access token": lambda: grants.new_token("gha_", "org", grants.new_grant_id()),
    "a refresh token": lambda: grants.new_token("ghr_", "ws-12345678", grants.new_grant_id()),
    "an authorization code": codes.new_code,
    "a client secret or set-up token": client.new_secret,
    "an administrator's key": random_admin_key,
    "a JWT": lambda: jws.serialize_compact({"alg": "ES256"}, b'{"iss": "https://gate.example"}', EC),
    "a private key": lambda: EC.as_pem(private=True).decode(),
}


@pytest.mark.parametrize("what", GIVEN)
def test_whatever_the_gateway_gives_out_is_known_by_its_form(found: Found, what: str):
    WATCH.hear("output", "gatehouse doctor", f"Authorization: Bearer {GIVEN[what]()}")
    assert found.one().what == what


def test_a_private_key_is_known_as_a_jwk_as_well(found: Found):
    WATCH.hear("item", "x", json.dumps(EC.as_dict(private=True)))
    WATCH.hear("item", "y", json.dumps(EC.as_dict(private=False)))
    assert found.one().where == "x"


def test_tests_that_say_very_much_are_read_in_between_and_keep_little(found: Found):
    WATCH.hear("answer", "GET / 200", SECRET + "x" * 1024)
    for _ in range(MOST_HELD // 2**20):
        WATCH.hear("answer", "GET / 200", b"x" * 2**20)
    assert (WATCH.heard, found.one().what) == ([], "a marked secret")


def test_of_very_many_values_the_first_ones_are_known(found: Found):
    for number in range(MOST_KNOWN + 9):
        WATCH.know("a value", f"value-number-{number}")
    assert len(WATCH.known) == MOST_KNOWN


def test_what_is_too_short_to_be_told_apart_is_not_looked_for(found: Found):
    WATCH.know("a password", "x" * (SHORTEST - 1))
    WATCH.know("a password", "y" * SHORTEST)
    WATCH.hear("log", "gateway_core", "x" * SHORTEST + "y" * SHORTEST)
    assert found.one().what == "a password"


def test_a_report_holds_neither_a_secret_nor_its_end(found: Found):
    key = api_keys.generate("ws-12345678", "k-12345678")
    WATCH.hear("log", f"GET /?key={key}", f"{key} {'.' * 40} {SECRET}")
    assert not [leak for leak in found() if key[-24:] in str(leak) or MARK in str(leak)]


def test_every_exception_is_about_something_that_exists_and_has_a_reason():
    kinds = get_args(Kind)
    for row in ALLOWED:
        assert row.kind in kinds
        assert row.why.endswith("."), row
        assert row.where, row


def test_a_test_that_leaks_fails_at_its_end_and_says_where_without_the_secret(tmp_path: Path):
    story = tmp_path / "test_story.py"
    story.write_text(
        "import logging\nfrom tests.canary.marks import marked\n"
        "def test_leaks(): logging.getLogger('gateway_core').info('token %s', marked('x'))\n"
        "def test_is_silent(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(story)]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-c", os.devnull], cwd=ROOT, capture_output=True, text=True
    )
    assert "2 passed, 1 error" in done.stdout, done.stdout
    assert "Secrets were found where none may be" in done.stdout
    assert "log gateway_core: a marked secret after" in done.stdout
