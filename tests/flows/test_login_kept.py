"""A login that cannot be kept, that something comes before, or that a browser holds up."""

import os
import subprocess
from pathlib import Path

import httpx2

from gateway_core.cli import callback
from tests.flows.desks import Desk, brought, decided, joined, logged_in, logging_in
from tests.flows.test_local_run import GATEHOUSE, ROOT


def _in_the_way(desk: Desk) -> None:
    """A folder where the file is written before it takes its place."""
    Path(f"{desk.credentials}.unfinished").mkdir()


def test_nobody_is_sent_to_the_browser_for_a_login_that_could_not_be_kept(desk, tmp_path):
    desk.credentials.parent.mkdir(parents=True)
    desk.credentials.write_text("[]")
    broken = desk.refused("login", "--no-browser", "--wait", "1")
    desk.credentials.unlink()
    _in_the_way(desk)
    unwritable = desk.refused("login", "--no-browser", "--wait", "1")
    desk.config = tmp_path / "a-file"
    desk.config.write_text("")
    no_folder = desk.refused("login", "--no-browser", "--wait", "1")
    for told, words in (
        (broken, "Delete it, and log in again"),
        (unwritable, "cannot be written"),
        (no_folder, "cannot be used: Not a directory. Name another folder with XDG_CONFIG_HOME"),
    ):
        assert words in told
        assert "Log in in the browser" not in told


def test_where_the_home_is_a_file_nobody_is_logged_in(desk, tmp_path):
    desk.config = tmp_path / "a-file"
    desk.config.write_text("")
    assert desk.told("whoami") == f"administrator at {desk.url}\n"
    assert "You are not logged in at" in desk.refused("whoami", "--url", desk.url)


async def test_a_login_that_cannot_be_kept_in_the_end_is_good_for_nothing_at_the_gateway_either(desk):
    async with joined(desk, "full@example.com", "--role", "auditor") as browser, logging_in(desk) as (process, url):
        _in_the_way(desk)
        await brought((await decided(browser, url, "allow")).url)
        _, err = await process.communicate()
        assert (process.returncode, b"cannot be written" in err, b"Traceback" in err) == (1, True, False)
        key = (desk.data / "admin.key").read_text().strip()
        listed = desk.told("grants", "list", "--member", "full@example.com", "--url", desk.url, "--key", key)
        assert len(listed.splitlines()) == 1, listed


async def test_whoever_logs_in_while_a_key_is_set_hears_that_the_key_comes_first(desk, monkeypatch):
    async with joined(desk, "keyed@example.com") as browser:
        assert "GATEHOUSE_KEY" not in await logged_in(desk, browser)
        monkeypatch.setenv("GATEHOUSE_KEY", (desk.data / "admin.key").read_text().strip())
        said = await logged_in(desk, browser)
        assert "GATEHOUSE_KEY is set, and comes before a login" in said
        assert desk.told("whoami", "--url", desk.url) == f"administrator at {desk.url}\n"


def test_a_browser_that_does_not_come_back_holds_nothing_up(desk, tmp_path):
    gate, program, said = tmp_path / "gate", tmp_path / "browser", tmp_path / "said"
    os.mkfifo(gate)
    program.write_text(f"#!/bin/sh\nexec >/dev/null 2>&1\nread line < {gate}\n")
    program.chmod(0o755)
    environment = {**desk.environment, "BROWSER": f"{program} %s"}
    held = os.open(gate, os.O_RDWR)
    try:
        with said.open("w") as out:
            done = subprocess.run(
                [*GATEHOUSE, "login", "--wait", "1"], cwd=ROOT, env=environment, stdout=out, stderr=out, timeout=20,
                check=False,
            )  # fmt: skip
    finally:
        os.write(held, b"go\n")
        os.close(held)
    assert (done.returncode, "Nobody allowed the login within 1 seconds" in said.read_text()) == (1, True)


def test_the_page_that_waits_for_the_browser_takes_nothing_but_a_get():
    with callback.listening("s", "https://g.example") as answer, httpx2.Client(trust_env=False) as http:
        right = f"{answer.redirect_uri}?state=s&iss=https://g.example&code=ghc_x"
        for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            refused = http.request(method, right)
            assert (refused.status_code, refused.headers["allow"], refused.headers["server"]) == (
                405,
                "GET",
                "gatehouse",
            )
        assert http.get(right).status_code == 200
        assert answer.wait(1)["code"] == "ghc_x"
