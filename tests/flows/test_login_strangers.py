"""The command line at gateways that are none, and at words that name none: told without a stack trace."""

import gzip
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from gateway_core.cli import _run
from gateway_core.cli.admin_client import AdminClient
from gateway_core.cli.app import app
from gateway_core.cli.asking import MAX_BYTES, ask
from gateway_core.cli.authorization_server import AuthorizationServer, Proof, find
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.shapes import Me, Told
from tests.certificates import Authority
from tests.flows.desks import Desk
from tests.flows.strange import strange_gateway

NO_URLS = ["http://127.0.0.1:abc", "http://[::1", "foo bar", "gateway.example.com", "https://", "ftp://x.example",
           "https://x.example:0", "https://x.example:99999", "https://\u00e9.example"]  # fmt: skip
PLACE = "/.well-known/oauth-authorization-server"


@pytest.fixture
def desk(tmp_path) -> Desk:
    """A user's desk, with no gateway anywhere near."""
    return Desk(tmp_path)


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_of_a_gateway_is_told_with_how_to_write_one(desk, url: str):
    for words in (("login", "--no-browser"), ("whoami", "--key", "x"), ("logout",)):
        told = desk.refused(*words, "--url", url)
        assert "is no URL of a gateway. Write it like https://gateway.example.com" in told


@pytest.mark.parametrize("path", ["/demo-team/demo/mcp", "/oauth/setup?token=x", "?x", "#x"])
def test_the_url_of_something_at_a_gateway_is_told_with_that_of_the_gateway(desk, path: str):
    for words in (("login", "--no-browser"), ("whoami", "--key", "x"), ("logout",)):
        told = desk.refused(*words, "--url", f"http://127.0.0.1:8787{path}")
        assert told.endswith("Name the gateway itself: --url http://127.0.0.1:8787\n")


def test_a_folder_without_a_key_is_named_in_full_with_how_to_do_without_it(desk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("GATEHOUSE_DATA", raising=False)
    monkeypatch.delenv("GATEHOUSE_KEY", raising=False)
    monkeypatch.delenv("GATEHOUSE_URL", raising=False)
    command = partial(app, ["whoami"], standalone_mode=False)
    with pytest.raises(SystemExit) as left:
        _run(command)
    lines = str(left.value).splitlines()
    assert lines[0].endswith(f"there is no administrator's key in {tmp_path}/.gatehouse/admin.key")
    assert "Or log in, from any folder: gatehouse login" in lines


@pytest.mark.parametrize("key", ["\u00e9", "two words", "two\nlines", ""])
def test_a_key_that_cannot_be_sent_is_told_and_never_repeated(desk, key: str):
    told = desk.refused("whoami", "--url", "https://gateway.example.com", "--key", key)
    assert "Was it copied whole?" in told
    assert not key or key not in told


METADATA: dict[str, tuple[Callable[[str], Any], str]] = {
    "nested without end": (lambda url: b"[" * 100_000, "no JSON: is this a Gatehouse gateway?"),
    "a list": (lambda url: [1], "no JSON"),
    "no text": (lambda url: b"\xff", "no JSON"),
    "no endpoints": (lambda url: {"issuer": url}, "names endpoints elsewhere"),
    "endpoints elsewhere": (lambda url: {"issuer": url, **at("https://evil.example")}, "names endpoints elsewhere"),
    "one that only begins so": (lambda url: {"issuer": url, **at(f"{url}.evil.example")}, "names endpoints elsewhere"),
    "one with a query": (lambda url: {"issuer": url, **at(url, "?client_id=other")}, "names endpoints elsewhere"),
    "one that steers a terminal": (lambda url: {"issuer": url, **at(url, "\x1b[31m")}, "names endpoints elsewhere"),
    "a name that steers a terminal": (lambda url: {"issuer": "\x1b]0;x\x07https://evil"}, "goes by another name"),
}


def at(url: str, more: str = "") -> dict[str, str]:
    """Endpoints at a place."""
    return {f"{name}_endpoint": f"{url}/{name}{more}" for name in ("authorization", "token", "revocation")}


@pytest.mark.parametrize("name", METADATA)
def test_a_gateway_that_is_none_of_ours_is_told_and_its_words_do_not_steer_the_terminal(desk, name: str):
    said, words = METADATA[name]
    with strange_gateway() as strange:
        strange.says[PLACE] = said(strange.url)
        told = desk.refused("login", "--no-browser", "--wait", "1", "--url", strange.url)
    assert words in told
    assert not {"\x1b", "\x07"} & {*told}


@pytest.mark.parametrize("part", ["authorization", "token", "revocation"])
def test_every_endpoint_must_be_at_the_gateway_itself(part: str):
    with strange_gateway() as strange:
        strange.says[PLACE] = {"issuer": strange.url, **at(strange.url)}
        assert find(strange.url).resource == f"{strange.url}/api/v1"
        strange.says[PLACE][f"{part}_endpoint"] = "https://evil.example/x"
        with pytest.raises(CommandFailed, match="endpoints elsewhere"):
            find(strange.url)


TOKENS: dict[str, Any] = {
    "nothing": {},
    "no text": {"access_token": "gha_\u00e9", "refresh_token": "ghr_x", "expires_in": 3600},
    "a line break": {"access_token": "gha_x", "refresh_token": "ghr_x\n", "expires_in": 3600},
    "no end": b'{"access_token": "gha_x", "refresh_token": "ghr_x", "expires_in": Infinity}',
    "no number": {"access_token": "gha_x", "refresh_token": "ghr_x", "expires_in": []},
}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_that_are_none_are_told(name: str):
    with strange_gateway() as strange:
        strange.says["/token"] = TOKENS[name]
        server = AuthorizationServer(strange.url, *at(strange.url).values())
        with pytest.raises(CommandFailed, match="gave no tokens"):
            server.redeem("ghc_x", Proof.new(), "http://127.0.0.1/callback")


ANSWERS: dict[str, tuple[int, Any]] = {
    "a list": (200, [1]),
    "nested without end": (200, b"[" * 100_000),
    "a refusal that is a list": (403, [1]),
    "problems that are none": (422, {"detail": "No.", "problems": 3}),
    "problems of another form": (422, {"detail": "No.", "problems": [{"x": 1}]}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_another_form_is_told(name: str):
    with strange_gateway() as strange:
        strange.status, strange.says["/api/v1/me"] = ANSWERS[name]
        with pytest.raises(CommandFailed, match=r"no JSON|No\."):
            AdminClient(strange.url, "key").read(Told, "GET", "/me")


COMMANDS: dict[str, tuple[str, ...]] = {
    "GET /me": ("whoami",),
    "POST /apply": ("apply", "-f", "README.md"),
    "GET /secrets": ("secrets", "list"),
    "GET /servers": ("servers", "list"),
    "GET /members": ("members", "list"),
    "POST /members/ana@example.com/unlink": ("members", "unlink", "ana@example.com"),
    "GET /members?email=a%2Fb%40example.com": ("members", "remove", "a/b@example.com"),
    "POST /members": ("members", "invite", "ana@example.com"),
    "GET /groups": ("groups", "list"),
    "GET /clients": ("clients", "list"),
    "POST /clients": ("clients", "create", "App", "--redirect-uri", "https://app.example.com/cb"),
    "GET /grants": ("grants", "list"),
    "GET /me ": ("grants", "list", "--member", "self"),
    "GET /keys": ("keys", "list"),
    "POST /keys": ("keys", "create", "--workspace", "w", "--service", "s"),
    "DELETE /keys/k-1": ("keys", "revoke", "k-1"),
}
"""By what each asks first."""


@pytest.mark.parametrize("asked", COMMANDS)
def test_an_answer_that_lacks_what_a_command_reads_is_told_as_one_of_another_version(tmp_path, capsys, asked: str):
    words = [*COMMANDS[asked]]
    if words[0] == "apply":
        words[2] = str(tmp_path / "gatehouse.yaml")
        (tmp_path / "gatehouse.yaml").write_text("organisation: Acme")
    with strange_gateway() as strange:
        strange.says[f"/api/v1{asked.partition(' ')[2].strip()}"] = {}
        command = [*words, "--url", strange.url, "--key", "x"]
        with pytest.raises(SystemExit) as left:
            _run(lambda: app(command, standalone_mode=False))
    told = str(left.value)
    assert f"The gateway at {strange.url} answered something that this command line does not understand (at " in told
    assert asked.partition("?")[0].strip() in told
    assert told.endswith("It may be of another version than this one: compare with 'gatehouse --version'.")


ME: dict[str, Any] = {"name": "Ana", "member": None, "servers": [], "more_servers": False}
MEMBER: dict[str, Any] = {
    "id": "p-1", "email": "ana@example.com", "name": "Ana", "invited": False, "signed_in_at": None,
    "roles": {"organisation": "owner", "workspaces": {}}, "given": {"organisation": "owner", "workspaces": {}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("member", "Ana"),
        ("member", MEMBER | {"roles": "owner"}),
        ("member", MEMBER | {"signed_in_at": 10**30}),
        ("servers", {"a": 1}),
        ("servers", [{"workspace": "research"}]),
    ],
)
def test_a_field_of_another_kind_is_named(field: str, value: Any):
    with strange_gateway() as strange:
        strange.says["/api/v1/me"] = ME | {"member": MEMBER} | {field: value}
        with pytest.raises(CommandFailed, match=rf"does not understand \(at GET /me: {field}"):
            AdminClient(strange.url, "key").read(Me, "GET", "/me")


def test_what_a_newer_gateway_says_besides_is_left_aside():
    with strange_gateway() as strange:
        strange.says["/api/v1/me"] = ME | {"mood": "fine"}
        assert AdminClient(strange.url, "key").read(Me, "GET", "/me").name == "Ana"


def test_a_mistake_of_the_command_line_itself_is_told_as_no_gateways():
    def mistaken() -> None:
        raise KeyError("field")

    with pytest.raises(KeyError):
        _run(mistaken)


def test_a_gateway_whose_certificate_is_not_trusted_is_told_as_that_and_with_what_to_do(tmp_path, monkeypatch):
    authority = Authority.found(tmp_path)
    with strange_gateway(authority.serving("127.0.0.1")) as strange:
        strange.says["/api/v1/me"] = ME
        with pytest.raises(CommandFailed) as told:
            AdminClient(strange.url, "key").read(Me, "GET", "/me")
        assert f"The certificate of {strange.url} is not trusted: unable to get local issuer" in str(told.value)
        assert "name the file of its authority with SSL_CERT_FILE" in str(told.value)
        assert "Is it running?" not in str(told.value)
        file = tmp_path / "authority.pem"
        file.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert AdminClient(strange.url, "key").read(Me, "GET", "/me").name == "Ana"


def test_certificates_that_cannot_be_read_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    with pytest.raises(CommandFailed, match="What SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: No such file"):
        ask("GET", "https://127.0.0.1:1/")
    with strange_gateway() as strange:
        assert ask("GET", strange.url).status == 404


def test_https_at_a_port_that_does_not_speak_it_is_told():
    with strange_gateway() as strange, pytest.raises(CommandFailed, match="Does it speak https at this port"):
        ask("GET", strange.url.replace("http:", "https:"))


@pytest.mark.parametrize("words", [("login", "--no-browser", "--wait", "1"), ("whoami", "--key", "x")])
def test_an_answer_without_end_is_read_no_further_than_its_bound(desk, words: tuple[str, ...]):
    with strange_gateway() as strange:
        strange.says |= {PLACE: repeat(b"x" * 65_536), "/api/v1/me": repeat(b"x" * 65_536)}
        told = desk.refused(*words, "--url", strange.url)
    assert "is larger than 8 MiB, and was not read on: is this a Gatehouse gateway?" in told
    # What the machine holds for both sides comes on top.
    assert strange.sent < 4 * MAX_BYTES


def test_an_answer_of_the_size_of_the_bound_is_read_and_one_byte_more_is_not():
    with strange_gateway() as strange:
        strange.says["/x"] = b"x" * 1_000
        assert ask("GET", f"{strange.url}/x", max_bytes=1_000).body == strange.says["/x"]
        with pytest.raises(CommandFailed, match="was not read on"):
            ask("GET", f"{strange.url}/x", max_bytes=999)


def test_an_answer_that_would_be_large_once_unpacked_is_not_unpacked():
    with strange_gateway() as strange:
        strange.headers["content-encoding"] = "gzip"
        strange.says["/api/v1/me"] = gzip.compress(b'{"name": "x"}')
        with pytest.raises(CommandFailed, match="no JSON"):
            AdminClient(strange.url, "key").read(Told, "GET", "/me")


@pytest.mark.parametrize("part", ["body", "head"])
def test_an_answer_that_comes_in_drips_is_given_up_when_its_time_is_over(part: str):
    tick = threading.Event()

    def drips() -> Iterator[bytes]:
        # For ten seconds: long enough to be given up before.
        for _ in range(500):
            if tick.wait(0.02):
                return
            yield b"x"

    with strange_gateway() as strange:
        strange.says["/x"] = drips()
        strange.in_head = part == "head"
        with pytest.raises(CommandFailed, match=r"did not answer within 0\.5 seconds"):
            ask("GET", f"{strange.url}/x", timeout_s=0.5)
        tick.set()
        assert strange.sent > 1
