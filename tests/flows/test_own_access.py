"""What the command line lets everybody do with what is their own, and what it tells them about it."""

import subprocess
import time

import pytest

from gateway_core.signin.invitations import GOOD_FOR_S
from gateway_core.web.api.own import MAX_SERVERS
from tests.flows.actors import admin_key, ask, granted, joined
from tests.flows.browsers import Browser
from tests.flows.desks import Desk, logged_in
from tests.flows.desks import joined as joined_at
from tests.flows.gateways import gateway
from tests.flows.test_local_run import GATEHOUSE, ROOT


def admin(desk: Desk) -> tuple[str, ...]:
    return ("--url", desk.url, "--key", (desk.data / "admin.key").read_text().strip())


def first(table: str) -> str:
    """The id in the only row of a table."""
    _, row = table.splitlines()
    return row.split()[0]


@pytest.mark.parametrize("role", ["demo-team=member", "demo-team=manager"])
async def test_who_has_no_role_for_it_lists_and_ends_their_own_keys_and_nobody_elses(desk, role: str):
    email = f"{role[10:]}-keys@example.com"
    async with joined_at(desk, email, "--workspace", role) as browser:
        create = ("keys", "create", "--workspace", "demo-team", "--quiet")
        desk.told(*create, "--user", email, "--server", "demo")
        other = desk.told(*create, "--service", "other", *admin(desk)).split("_")[2]
        await logged_in(desk, browser)
        listed = desk.told("keys", "list", "--member", "self")
        key_id = first(listed)
        assert listed.splitlines()[1].split()[1:4] == ["demo-team", f"user:{email}", "demo"]
        assert desk.told("keys", "list", "--member", f" {email.upper()} ") == listed
        assert desk.told("keys", "list", "--member", "self", "--workspace", "demo-team") == listed
        for noun in ("keys", "grants"):
            none = desk.refused(noun, "list", "--member", "self", "--workspace", "other")
            assert none == "There is no workspace 'other' (there is: demo-team).\n"
        for refused in (("list",), ("list", "--member", "first@example.com"), ("revoke", other), ("revoke", "k-2")):
            told = desk.refused("keys", *refused)
            assert f"You are signed in as {email}, whose roles do not cover this." in told
            assert "Your own are shown by: gatehouse keys list --member self" in told
        assert desk.told("keys", "revoke", key_id) == f"Revoked {key_id} (user:{email}).\n"
        assert "revoked" in desk.told("keys", "list", "--member", "self")
        theirs = desk.told("keys", "list", "--member", email, *admin(desk))
        assert first(theirs) == key_id
        assert f"{other}  demo-team  service:other" in desk.told("keys", "list", *admin(desk))


async def test_who_has_no_role_for_it_lists_and_ends_what_they_let_clients_do(desk):
    async with joined_at(desk, "grants@example.com", "--workspace", "demo-team=member") as browser:
        await logged_in(desk, browser)
        listed = desk.told("grants", "list", "--member", "self")
        assert "Gatehouse command line" in listed
        assert desk.told("grants", "list", "--member", "grants@example.com") == listed
        assert desk.told("grants", "list", "--member", "self", "--client", "gatehouse-cli") == listed
        for none in (("--client", "other"), ("--workspace", "demo-team")):
            assert len(desk.told("grants", "list", "--member", "self", *none).splitlines()) == 1
        for refused in (("list",), ("revoke", "g-2222222222222222")):
            assert "gatehouse grants list --member self" in desk.refused("grants", *refused)
        assert desk.told("grants", "revoke", first(listed)) == f"Revoked {first(listed)}.\n"
        assert "has ended" in desk.refused("whoami", "--url", desk.url)


def test_a_list_of_what_nobody_has_says_so_and_one_that_is_empty_is_empty(desk):
    desk.told("members", "invite", "bare@example.com")
    for noun in ("keys", "grants"):
        told = desk.refused(noun, "list", "--member", "nobody@example.com")
        words = f"There is no member 'nobody@example.com', and no {noun} of theirs."
        assert told == f"{words} 'gatehouse members list' shows all.\n"
        assert "There is no workspace 'nowhere'" in desk.refused(noun, "list", "--workspace", "nowhere")
        assert len(desk.told(noun, "list", "--member", "bare@example.com").splitlines()) == 1
    # Whoever was removed is no member any more, and their keys are still there to be seen.
    desk.told("keys", "create", "--workspace", "demo-team", "--user", "left@example.com")
    desk.told("members", "remove", "left@example.com")
    assert "revoked" in desk.told("keys", "list", "--member", "left@example.com")


def test_the_administrators_key_has_nothing_of_its_own_and_says_so(desk):
    for noun in ("keys", "grants"):
        assert "which is nobody's. Name a person" in desk.refused(noun, "list", "--member", "self")
    assert "There is no API key 'k-22222222'." in desk.refused("keys", "revoke", "k-22222222")
    assert "There is no grant 'g-2'." in desk.refused("grants", "revoke", "g-2")


async def test_whoami_names_roles_and_the_urls_of_the_servers_that_the_person_can_use(desk):
    async with joined_at(desk, "who@example.com", "--role", "auditor") as browser:
        await logged_in(desk, browser)
        # An auditor sees every server, and uses those of their own workspaces.
        assert desk.told("whoami").splitlines()[1:] == ["Organisation: auditor. Workspaces: -", "Servers: -"]
        desk.told("members", "invite", "who@example.com", "--workspace", "demo-team", *admin(desk))
        assert desk.told("whoami").splitlines()[1:] == [
            "Organisation: auditor. Workspaces: demo-team: member", "Servers:", f"  {desk.url}/demo-team/demo/mcp",
        ]  # fmt: skip


async def test_a_person_is_named_the_servers_of_their_workspaces_alone_and_no_more_than_a_bounded_number(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        url = "https://mcp.example.com/mcp"
        some = [{"slug": f"s-{n:03}", "url": url, "workspaces": ["research"]} for n in range(MAX_SERVERS - 1)]
        await gw.apply({"servers": [*some, {"slug": "both", "url": url, "workspaces": "all"},
                                    {"slug": "hidden", "url": url, "workspaces": ["sales"]}]})  # fmt: skip
        _, token = await granted(gw, (await joined(gw, "ben@acme.dev", research="member")).id)
        _, wider = await granted(gw, (await joined(gw, "ana@acme.dev", "owner")).id)
        me = (await ask(gw, token, "GET", "/me")).json()
        slugs = ["both", *(each["slug"] for each in some)]
        assert me["servers"] == [{"workspace": "research", "server": slug} for slug in slugs]
        assert me["more_servers"] is False
        owner = (await ask(gw, wider, "GET", "/me")).json()
        assert (owner["servers"], owner["more_servers"]) == (me["servers"], True)


def test_an_invitation_says_until_when_its_link_works_and_prints_the_link_alone(desk):
    for words in (("invite", "late@example.com"), ("link", "late@example.com")):
        before = int(time.time())
        done = desk.run("members", *words)
        assert done.stdout.startswith(f"{desk.url}/oauth/join?token=ghi_")
        assert len(done.stdout.split()) == 1
        said = done.stderr.partition("The link works once, until ")[2].splitlines()[0]
        until = [time.strftime("%Y-%m-%d %H:%M UTC.", time.gmtime(at + GOOD_FOR_S)) for at in (before, time.time())]
        assert said in until


def test_an_invitation_to_no_workspace_says_that_no_server_can_be_used_and_how_to_give_some(desk):
    words = "They can use no server yet. To give them those of a workspace:\n"
    command = "  gatehouse members roles {} --workspace WORKSPACE\n"
    for email, shown in (("a&b@example.com", "'a&b@example.com'"), ("nil@example.com", "nil@example.com")):
        assert desk.run("members", "invite", email).stderr.endswith(words + command.format(shown))
    assert words in desk.run("members", "invite", "nil@example.com", "--role", "auditor").stderr
    for enough in (("--role", "admin"), ("--workspace", "demo-team")):
        done = desk.run("members", "invite", "some@example.com", *enough)
        assert (done.returncode, "no server yet" in done.stderr) == (0, False)
        desk.told("members", "remove", "some@example.com")


async def test_the_lifetime_that_is_told_is_the_one_that_the_link_has(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        made = (await ask(gw, await admin_key(gw), "POST", "/members", {"email": "ben@acme.dev"})).json()
        token = made["link"].partition("token=")[2]
        browser = Browser(gw.front)
        until = time.strftime("%d %b %Y, %H:%M UTC", time.gmtime(gw.clock[0] + GOOD_FOR_S)).removeprefix("0")
        assert f"The link works once, until {until}." in (await browser.open(made["link"])).text
        await browser.close()
        invitations = gw.oauth.desk.sign_in.invitations
        gw.clock[0] = made["link_until"] - 1
        assert await invitations.find(token) is not None
        gw.clock[0] += 1
        assert await invitations.find(token) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "Nothing was set: the value is empty. Write it to standard input, as in: echo VALUE | gatehouse secrets"),
        ("\n", "the value is empty"),
        ("x" * 8_193, "Nothing was set: the value has more than 8,192 characters"),
        ("x" * 20_000_000, "Nothing was set: the value has more than 8,192 characters"),
        ("two\nlines", "a secret is visible ASCII in one line"),
    ],
    ids=["empty", "a line break", "too long", "far too long", "two lines"],
)
def test_a_value_that_is_no_secret_is_told_in_words(desk, given: str, words: str):
    done = desk.run("secrets", "set", "token", given=given)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (1, True, False), done.stderr


def test_a_secret_that_is_no_text_is_told_in_words(desk):
    command = [*GATEHOUSE, "secrets", "set", "token"]
    done = subprocess.run(command, cwd=ROOT, env=desk.environment, input=b"\xff\xfe", capture_output=True, check=False)
    assert (done.returncode, b"a secret is visible ASCII" in done.stderr) == (1, True), done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_longest_secret_is_set_whatever_ends_its_line(desk, ending: str):
    assert desk.run("secrets", "set", "token", given="x" * 8_192 + ending).stdout == "Set token.\n"


@pytest.mark.parametrize(("value", "words"), [("", "the value is empty"), ("x" * 8_193, "more than 8,192 characters")])
async def test_the_api_too_says_in_words_what_is_wrong_with_a_secret(tmp_path, value: str, words: str):
    async with gateway(tmp_path, {}) as gw:
        answer = await ask(gw, await admin_key(gw), "PUT", "/secrets/token", {"value": value})
        assert answer.status_code == 422
        assert words in answer.json()["problems"][0]["message"]
