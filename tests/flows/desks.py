"""A machine with a gateway, its command line, and a browser beside it."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.canary.watch import WATCH
from tests.flows.browsers import PASSWORD, Browser, Page
from tests.flows.test_local_run import GATEHOUSE, ROOT, Machine


class Desk(Machine):
    """A machine whose user has a home of their own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.config = folder / "config"

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "XDG_CONFIG_HOME": str(self.config)}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> Path:
        return self.config / "gatehouse" / "credentials.json"

    def login(self) -> Any:
        return json.loads(self.credentials.read_text())["logins"][self.url]

    def told(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr


class RealBrowser(Browser):
    """A browser that goes over the network."""

    def __init__(self, public: str) -> None:
        self.public = public
        self.http = httpx2.AsyncClient(base_url=public, trust_env=False, event_hooks={"response": [_heard]})


async def _heard(response: httpx2.Response) -> None:
    await response.aread()
    asked = f"{response.request.method} {response.request.url.path}"
    WATCH.hear_answer(asked, response.status_code, response.headers.multi_items(), response.content)


@asynccontextmanager
async def joined(desk: Desk, email: str, *roles: str) -> AsyncIterator[RealBrowser]:
    """A browser in which somebody has just joined."""
    link = desk.told("members", "invite", email, *roles).strip()
    browser = RealBrowser(desk.url)
    done = await browser.submit(
        await browser.open(link), "/oauth/join", password=PASSWORD, again=PASSWORD, name="Ana Ruiz"
    )
    assert email in done.text
    try:
        yield browser
    finally:
        await browser.close()


@asynccontextmanager
async def logging_in(desk: Desk, *options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The command while it waits, and the URL that it prints."""
    command = [*GATEHOUSE, "login", "--url", desk.url, *(options or ("--no-browser",))]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=desk.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        assert await process.stderr.readline() == b"Log in in the browser, at:\n"
        yield process, (await process.stderr.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        # Reads the pipes to their ends and closes them.
        await process.communicate()


async def decided(browser: RealBrowser, url: str, decision: str) -> Page:
    """What the person at the browser does with the consent page; then where the browser is sent."""
    return await browser.submit(await browser.open(url), "/authorize", decision)


async def brought(page_url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.get(page_url)


async def logged_in(desk: Desk, browser: RealBrowser) -> str:
    async with logging_in(desk) as (process, url):
        shown = await brought((await decided(browser, url, "allow")).url)
        assert (shown.status_code, "go back to the terminal" in shown.text) == (200, True)
        out, err = await process.communicate()
        WATCH.hear_command(["login"], (out + err).decode())
        assert process.returncode == 0, err
        assert "Traceback" not in err.decode()
        return out.decode() + err.decode()
