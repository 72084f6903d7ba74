"""`gatehouse login`: the command line on a running gateway, with a browser beside it."""

import asyncio
import json
import stat
import subprocess
import sys
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from tests.flows.desks import Desk, brought, decided, joined, logged_in, logging_in
from tests.flows.test_local_run import GATEHOUSE, ROOT


async def test_a_login_through_the_browser_lets_every_command_act_as_that_person(desk):
    async with joined(desk, "ana@example.com", "--role", "admin") as browser:
        said = await logged_in(desk, browser)
        assert f"Logged in at {desk.url} as ana@example.com." in said
        assert "ana@example.com at " in desk.told("whoami", "--url", desk.url)
        assert "Organisation: admin." in desk.told("whoami")
        made = desk.run("keys", "create", "--workspace", "demo-team", "--service", "by-ana", "--quiet")
        assert made.returncode == 0
        own = desk.told("keys", "list")
        assert "service:by-ana" in own
        listed = httpx2.get(
            f"{desk.url}/api/v1/keys", headers={"authorization": f"Bearer {desk.login()['access_token']}"}
        )
        assert "ana@example.com" in {each["created_by"] for each in listed.json()["keys"]}
        # An owner is none that an admin may make.
        refused = desk.refused("members", "invite", "boss@example.com", "--role", "owner")
        assert "You are signed in as ana@example.com. Only an owner" in refused


async def test_a_login_is_for_its_users_eyes_only_and_never_printed(desk):
    async with joined(desk, "eyes@example.com", "--role", "auditor") as browser:
        said = await logged_in(desk, browser)
        for path, mode in ((desk.credentials, 0o600), (desk.credentials.parent, 0o700)):
            assert stat.S_IMODE(path.stat().st_mode) == mode
        kept = desk.login()
        assert kept["name"] == "eyes@example.com"
        for secret in (kept["access_token"], kept["refresh_token"]):
            assert secret.startswith(("gha_org_", "ghr_org_"))
            assert secret not in said + desk.log.read_text()


async def test_logging_out_ends_the_login_at_the_gateway_too(desk):
    async with joined(desk, "out@example.com", "--role", "auditor") as browser:
        await logged_in(desk, browser)
        token = desk.login()["access_token"]
        assert desk.told("logout", "--url", desk.url) == f"Logged out at {desk.url} (out@example.com).\n"
        after = httpx2.get(f"{desk.url}/api/v1/me", headers={"authorization": f"Bearer {token}"})
        assert after.status_code == 401
        assert "You are not logged in at" in desk.refused("whoami", "--url", desk.url)
        assert "Nobody is logged in at" in desk.refused("logout")
        # On the gateway's own machine the administrator's key is still there.
        assert desk.told("whoami") == f"administrator at {desk.url}\n"


async def test_logging_in_again_ends_the_login_before(desk):
    async with joined(desk, "twice@example.com", "--role", "auditor") as browser:
        await logged_in(desk, browser)
        first = desk.login()["access_token"]
        await logged_in(desk, browser)
        second = desk.login()["access_token"]
        answers = [
            httpx2.get(f"{desk.url}/api/v1/me", headers={"authorization": f"Bearer {token}"}).status_code
            for token in (first, second)
        ]
        assert answers == [401, 200]


async def test_commands_at_the_same_time_never_lose_the_rotated_token(desk):
    async with joined(desk, "busy@example.com", "--role", "auditor") as browser:
        await logged_in(desk, browser)
        _expire(desk)
        before = desk.login()["refresh_token"]
        several = (asyncio.to_thread(desk.told, "whoami", "--url", desk.url) for _ in range(5))
        assert all("busy@example.com" in said for said in await asyncio.gather(*several))
        assert desk.login()["refresh_token"] != before
        assert "busy@example.com" in desk.told("whoami", "--url", desk.url)


def _expire(desk: Desk) -> None:
    kept = json.loads(desk.credentials.read_text())
    kept["logins"][desk.url]["expires_at"] = 0
    desk.credentials.write_text(json.dumps(kept))


async def test_a_token_that_the_gateway_refuses_early_is_refreshed_and_the_command_goes_on(desk):
    async with joined(desk, "early@example.com", "--role", "auditor") as browser:
        await logged_in(desk, browser)
        kept = json.loads(desk.credentials.read_text())
        kept["logins"][desk.url]["access_token"] = kept["logins"][desk.url]["access_token"][:-1] + "_"
        desk.credentials.write_text(json.dumps(kept))
        assert "early@example.com" in desk.told("whoami", "--url", desk.url)


async def test_a_login_that_was_revoked_is_forgotten_with_what_to_do(desk):
    async with joined(desk, "gone@example.com", "--role", "auditor") as browser:
        await logged_in(desk, browser)
        grants = desk.told("grants", "list", "--member", "gone@example.com").splitlines()
        admin_key = (desk.data / "admin.key").read_text().strip()
        desk.told("grants", "revoke", grants[1].split()[0], "--url", desk.url, "--key", admin_key)
        why = "This code or refresh token is not known, has expired, or was used or revoked. Sign in again."
        words = (
            f"Your login at {desk.url} has ended. The gateway says: {why}\n"
            f"Log in again: gatehouse login --url {desk.url}\n"
        )
        assert words in desk.refused("whoami", "--url", desk.url)
        ended = {"name": "gone@example.com", "why": why}
        assert json.loads(desk.credentials.read_text()) == {"logins": {}, "ended": {desk.url: ended}}
        # The commands after it hear so too, instead of acting as somebody else without a word.
        assert words in desk.refused("whoami", "--url", desk.url)
        here = desk.run("whoami")
        assert (here.returncode, here.stdout) == (0, f"administrator at {desk.url}\n")
        assert f"{words}Until then, or until you log out, this acts with the administrator's key" in here.stderr
        assert desk.told("logout") == f"Logged out at {desk.url} (gone@example.com).\n"
        assert desk.run("whoami").stderr == ""


async def test_where_the_gateway_runs_a_login_that_ended_gives_way_to_the_administrators_key_and_says_so(desk):
    async with joined(desk, "local@example.com") as browser:
        await logged_in(desk, browser)
        admin_key = (desk.data / "admin.key").read_text().strip()
        desk.told("members", "remove", "local@example.com", "--url", desk.url, "--key", admin_key)
        for _ in range(2):
            # Whoever was removed hears that, the first time and again.
            assert "local@example.com is no longer a member here." in desk.refused("whoami", "--url", desk.url)
        done = desk.run("whoami")
        assert done.stdout == f"administrator at {desk.url}\n"
        assert "has ended" in done.stderr
        assert "this acts with the administrator's key of this machine" in done.stderr


async def test_a_login_that_is_denied_says_so_and_leaves_nothing(desk):
    async with joined(desk, "no@example.com") as browser, logging_in(desk) as (process, url):
        shown = await brought((await decided(browser, url, "deny")).url)
        assert "The person at the browser did not allow it." in shown.text
        _, err = await process.communicate()
        assert (process.returncode, b"did not allow it" in err) == (1, True)
        assert not desk.credentials.exists()


async def test_a_login_that_nobody_allows_is_given_up_with_a_clear_text(desk):
    async with logging_in(desk, "--no-browser", "--wait", "1") as (process, _):
        _, err = await process.communicate()
        assert process.returncode == 1
        assert b"Nobody allowed the login within 1 seconds, so it was given up." in err
        assert b"Traceback" not in err


async def test_an_answer_that_belongs_to_another_login_is_not_taken(desk):
    async with joined(desk, "mixed@example.com", "--role", "auditor") as browser, logging_in(desk) as (process, url):
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        back, right = asked["redirect_uri"], {"state": asked["state"], "iss": desk.url}
        wrong: list[tuple[dict[str, str], int]] = [
            ({}, 400),
            ({"code": "ghc_x"}, 400),
            ({**right, "state": "other", "code": "ghc_x"}, 400),
            ({**right, "iss": "https://evil.example", "code": "ghc_x"}, 400),
            ({"state": asked["state"], "code": "ghc_x"}, 400),
            (right, 400),
        ]
        for fields, status in wrong:
            assert (await brought(f"{back}?{urlencode(fields)}")).status_code == status
        twice = await brought(f"{back}?{urlencode(right)}&state={asked['state']}&code=ghc_x")
        elsewhere = await brought(back.replace("/callback", "/"))
        assert (twice.status_code, elsewhere.status_code) == (400, 404)
        assert asked["resource"] == f"{desk.url}/api/v1"
        assert (asked["client_id"], asked["code_challenge_method"]) == ("gatehouse-cli", "S256")
        # And it still waits for the right one.
        await brought((await decided(browser, url, "allow")).url)
        out, err = await process.communicate()
        assert process.returncode == 0, err
        assert b"as mixed@example.com" in out


def test_the_browser_is_opened_with_the_url_that_is_printed(desk, tmp_path):
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!{sys.executable}\nimport pathlib, sys\npathlib.Path("{opened}").write_text(sys.argv[1])\n')
    program.chmod(0o755)
    environment = {**desk.environment, "BROWSER": f"{program} %s"}
    done = subprocess.run(
        [*GATEHOUSE, "login", "--wait", "2"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert opened.read_text() == done.stderr.splitlines()[1]


async def test_members_are_administered_from_the_command_line(desk):
    async with joined(desk, "ops@example.com", "--role", "owner") as browser:
        await logged_in(desk, browser)
        link = desk.told("members", "invite", "new@example.com", "--workspace", "demo-team=manager", "--name", "New")
        assert link.startswith(f"{desk.url}/oauth/join?token=ghi_")
        assert desk.told("members", "link", "new@example.com") != link
        row = next(line for line in desk.told("members", "list").splitlines() if "new@example.com" in line)
        assert row.split(maxsplit=3) == ["new@example.com", "New", "member", "demo-team: manager  invited"]
        changed = desk.told("members", "roles", "new@example.com", "--role", "auditor", "--leave", "demo-team")
        assert changed == "new@example.com is auditor; -\n"
        raised = desk.run("members", "roles", "new@example.com", "--role", "admin")
        assert raised.stderr == ""
        link = desk.told("members", "link", "new@example.com")
        assert desk.run("members", "roles", "new@example.com", "--role", "admin").stderr == ""
        ended = (
            "Their link has ended, since they may do more now; make a new one: gatehouse members link new@example.com"
        )
        assert ended in desk.run("members", "roles", "new@example.com", "--role", "owner").stderr
        assert desk.told("members", "remove", "new@example.com") == "Removed new@example.com.\n"
        assert "There is no member 'new@example.com'." in desk.refused("members", "remove", "new@example.com")


async def test_groups_clients_and_grants_are_administered_from_the_command_line(desk, tmp_path):
    async with joined(desk, "run@example.com", "--role", "owner") as browser:
        await logged_in(desk, browser)
        file = tmp_path / "gatehouse.yaml"
        file.write_text("groups:\n  - {group: platform, organisation: admin, workspaces: {demo-team: admin}}\n")
        assert desk.told("apply", "-f", str(file)) == "updated groups mapping (platform)\n"
        assert "platform  admin         demo-team: admin" in desk.told("groups", "list")
        file.write_text("groups:\n  - group: platform\n    organisation: king\n")
        assert f"{file}:3: groups[0].organisation: " in desk.refused("apply", "-f", str(file))
        redirect = ("--redirect-uri", "https://app.example.com/cb")
        made = desk.told("clients", "create", "Reports", *redirect, "--authentication", "basic")
        client_id = made.split()[1]
        assert "client_secret  ghs_" in made
        assert client_id in desk.told("clients", "list")
        assert desk.told("clients", "delete", client_id) == f"Deleted {client_id}.\n"
        grants = desk.told("grants", "list", "--client", "gatehouse-cli", "--member", "run@example.com")
        assert "Gatehouse command line" in grants
        assert f"{desk.url}/api/v1" in grants


WRONG = {
    "http://gateway.example.com": "Logging in takes https",
    "https://127.0.0.1:9": "No gateway answers at https://127.0.0.1:9",
    "http://localhost:{port}": "goes by another name. Log in there: gatehouse login --url http://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/elsewhere": "Name the gateway itself: --url http://127.0.0.1:{port}",
}


@pytest.mark.parametrize("url", WRONG)
def test_a_url_that_cannot_be_logged_in_at_is_told_why(desk, url: str):
    told = desk.refused("login", "--no-browser", "--url", url.format(port=desk.port))
    assert WRONG[url].format(port=desk.port) in told


def test_credentials_that_cannot_be_read_are_told_with_what_to_do(desk):
    for text in ("{", "[]", '{"logins": {"x": {}}}', '{"logins": 3}'):
        desk.credentials.parent.mkdir(parents=True, exist_ok=True)
        desk.credentials.write_text(text)
        assert "Delete it, and log in again: gatehouse login" in desk.refused("whoami")


def test_a_word_that_is_no_text_is_refused_in_words(desk):
    for words in (("members", "invite", "\udcff@example.com"), ("keys", "list", "--workspace", "\udcff")):
        assert "is not UTF-8 text" in desk.refused(*words)


def test_a_folder_that_cannot_be_used_is_told(desk, tmp_path):
    desk.config = tmp_path / "a-file"
    desk.config.write_text("")
    assert "cannot be used" in desk.refused("logout")


async def test_who_is_unlinked_joins_again_by_a_link_and_stays_logged_in_at_the_command_line(desk):
    async with joined(desk, "single@example.com", "--role", "owner") as browser:
        await logged_in(desk, browser)
        assert "There is no member 'new@example.com'." in desk.refused("members", "unlink", "new@example.com")
        admin_key = (desk.data / "admin.key").read_text().strip()
        told = desk.told("members", "unlink", "single@example.com", "--url", desk.url, "--key", admin_key)
        assert told == (
            "Unlinked single@example.com. They join again by a link, which you make and send them: "
            "gatehouse members link single@example.com\n"
        )
        assert (await browser.open("/oauth/account")).text.startswith("Sign in")
        # What they let clients do goes on, and this command line is one.
        assert "has not signed in yet" in desk.refused("members", "unlink", "single@example.com")
        link = desk.told("members", "link", "single@example.com").strip()
        page = await browser.open(link)
        done = await browser.submit(page, "/oauth/join", name="", password="a new sentence of words")
        assert "single@example.com" in done.text


async def test_once_there_is_an_owner_a_start_names_the_page_for_people_and_how_to_log_in(tmp_path):
    desk = Desk(tmp_path)
    with desk.running():
        assert "gatehouse login" not in desk.log.read_text()
        async with joined(desk, "boss@example.com", "--role", "owner"):
            pass
    with desk.running():
        told = desk.log.read_text()
    assert "oauth/setup" not in told
    assert f"  For people, who see there what they can use:\n  {desk.url}/\n" in told
    assert f"  To administer as yourself:\n  gatehouse login --url {desk.url}\n" in told
