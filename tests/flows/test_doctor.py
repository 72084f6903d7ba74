"""`gatehouse doctor` at a running gateway: a checklist for people, JSON for programs, and how it ends."""

import asyncio
import json
from pathlib import Path

from gateway_core.cli.doctor import TITLES
from tests.flows.desks import Desk
from tests.flows.tracker import tracker
from tests.flows.upstreams import Asked, unaided


def _key(desk: Desk) -> tuple[str, ...]:
    return "--url", desk.url, "--key", (desk.data / "admin.key").read_text().strip()


async def _register(desk: Desk, slug: str, url: str, auth: str) -> None:
    entry = f"{{slug: {slug}, url: '{url}', workspaces: [demo-team], auth: {auth}}}"
    (desk.data / f"{slug}.yaml").write_text(f"servers: [{entry}]")
    await asyncio.to_thread(desk.told, "apply", "-f", str(desk.data / f"{slug}.yaml"), *_key(desk))


async def test_of_a_server_that_is_well_every_step_is_ok_and_the_command_ends_with_0(desk: Desk):
    told = await asyncio.to_thread(desk.told, "doctor", "demo", *_key(desk))
    lines = told.splitlines()
    assert lines[0] == "demo, as administrator uses it from demo-team:"
    assert lines[2].startswith("[ok]      Address: 'http://127.0.0.1:")
    assert lines[3].startswith("[ok]      Asked without a credential: Demo answers without a log-in")
    assert lines[4].startswith("[ok]      Asked with the credential: Demo lists ")
    assert lines[-1] == "All is well."


async def test_a_step_that_failed_is_shown_with_the_exchange_and_the_command_ends_with_1(desk: Desk):
    async def closed(asked: Asked) -> None:
        status = 503 if "x-team" in asked.headers else 401
        await asked.respond.raw(b"<h1>Closed</h1>\x1b[2J", status, {"content-type": "text/html"})

    async with unaided(closed) as server:
        await _register(desk, "closed", server.url, "{type: headers, headers: {X-Team: plain-value}}")
        done = await asyncio.to_thread(desk.run, "doctor", "closed", *_key(desk))
        assert (done.returncode, done.stderr) == (1, "")
        lines = done.stdout.splitlines()
        at = next(number for number, line in enumerate(lines) if line.startswith("[failed]"))
        assert lines[at] == "[failed]  Asked with the credential: closed failed (HTTP 503). Try again later."
        assert lines[at + 1].strip() == f"GET {server.url}: 503"
        assert lines[at + 2 : at + 4] == ["          content-type: text/html", "          <h1>Closed</h1>\ufffd[2J"]
        assert lines[-1] == "Failed: asked with the credential."
        assert "plain-value" not in done.stdout


async def test_programs_get_everything_as_json_with_the_same_end(desk: Desk):
    async with tracker() as server:
        await _register(desk, "tracked", f"{server.url}/mcp", "{type: oauth, granularity: workspace}")
        options = ("doctor", "tracked", "--workspace", "demo-team", "--json", *_key(desk))
        done = await asyncio.to_thread(desk.run, *options)
        assert done.returncode == 1
        found = json.loads(done.stdout)
        assert (found["server"], found["workspace"], found["as"], found["well"]) == (
            "tracked", "demo-team", "administrator", False,
        )  # fmt: skip
        last = found["steps"][-1]
        assert (last["name"], last["outcome"], last["exchange"]) == ("account", "failed", None)
        assert f"connects it at {desk.url}/connect/demo-team/tracked" in last["told"]
        assert server.registrations == []


def test_the_readme_names_every_step_that_programs_read():
    (line,) = [line for line in Path("README.md").read_text().splitlines() if line.startswith("`--json` is for")]
    assert [name for name in TITLES if f"`{name}`" not in line] == []


async def test_what_cannot_be_looked_at_is_said_in_one_sentence(desk: Desk):
    refused = await asyncio.to_thread(desk.refused, "doctor", "nothing", *_key(desk))
    assert refused.startswith("There is no server 'nothing' that you can look at. 'gatehouse servers list' shows them.")
    done = await asyncio.to_thread(desk.run, "doctor", "nothing", "--json", *_key(desk))
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (1, {"error": refused.rstrip()}, "")
    async with tracker() as server:
        await _register(desk, "own", f"{server.url}/mcp", "{type: oauth}")
        told = await asyncio.to_thread(desk.told, "doctor", "own", *_key(desk))
        assert "[skipped] Credential: own acts as whoever calls, and the administrator's key is nobody." in told
        assert told.endswith("Nothing failed; not looked at: credential.\n")
