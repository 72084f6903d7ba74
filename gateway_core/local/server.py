"""`gatehouse dev`: both planes and a demo upstream on one machine, in one process and one data folder."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import uvicorn

from gateway_core.access import api_keys
from gateway_core.admin.administration import ADMIN_KEY, Administration
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, KeyDraft, ServerDraft, WorkspaceDraft
from gateway_core.compose import admin_api, administration
from gateway_core.compose_lean import StandardOutput, World, data_plane, policy, unix_time
from gateway_core.compose_oauth import oauth_api
from gateway_core.errors import GatewayError, Invalid
from gateway_core.local.data_folder import (
    ADMIN_KEY_FILE,
    DATABASE,
    DEMO_KEY_FILE,
    KEY_FILE,
    held,
    next_port,
    random_admin_key,
    read_private,
    write_private,
)
from gateway_core.local.data_keys import LocalDataKeys
from gateway_core.local.keyring import LocalKeyring
from gateway_core.local.secrets import LocalSecrets
from gateway_core.settings import Settings
from gateway_core.storage import keys
from gateway_core.storage.sqlite import SqliteTable
from gateway_core.telemetry import write_logs
from gateway_core.web.mcp import McpApp
from gateway_core.web.oauth.app import owns
from gateway_core.web.outlet import AsgiApp, Receive, Scope, Send

HOST = "127.0.0.1"
DEMO_WORKSPACE, DEMO_SERVER = "demo-team", "demo"
STOP_WITHIN_S = 3


class PortInUse(GatewayError):
    """Something else listens on the port."""

    reason = "port_in_use"


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo upstream and a key for it."""

    url: str
    key: str


def serve(settings: Settings) -> None:
    """Run a gateway until Ctrl-C.

    Raises:
        FolderInUse: A gateway already runs on the data folder.
        PortInUse: Something else listens on the port.
        Invalid: The data folder cannot be used, or is of a newer version.
    """
    # Ctrl-C reaches us again after the server has wound down.
    with (
        held(settings.gatehouse_data, settings.port),
        _listening(settings.port) as listener,
        suppress(KeyboardInterrupt),
    ):
        asyncio.run(_serve(settings, listener))


class _Server(uvicorn.Server):
    """Ends open streams before it waits for requests to finish: clients hold them for as long as they are there."""

    def __init__(self, config: uvicorn.Config, mcp: McpApp) -> None:
        super().__init__(config)
        self._mcp = mcp

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server.shutdown."""
        await self._mcp.stop()
        await super().shutdown(sockets)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    write_logs(settings.log_level)
    table = SqliteTable(settings.gatehouse_data / DATABASE, unix_time)
    try:
        world = local_world(settings, table)
        await ensure_admin_key(settings, world)
        async with _demo(settings, administration(world), world) as demo:
            mcp, oauth = data_plane(settings, world), oauth_api(settings, world)
            config = uvicorn.Config(
                on_one_port(mcp, admin_api(settings, world), oauth),
                lifespan="off", log_config=None, log_level="warning", access_log=False,
                server_header=False, date_header=False, timeout_graceful_shutdown=STOP_WITHIN_S,
                # Else X-Forwarded-For, which anybody writes, would choose the address that tries are counted by.
                proxy_headers=False,
            )  # fmt: skip
            _welcome(settings, demo, await oauth.setup_link())
            await _Server(config, mcp).serve(sockets=[listener])
            await mcp.close()
            await oauth.close()
    finally:
        table.close()


def local_world(settings: Settings, table: SqliteTable) -> World:
    """The ports of a data folder."""
    keyring = LocalKeyring(settings.gatehouse_data / KEY_FILE, random_bytes=os.urandom)
    return World(
        table=table,
        keyring=keyring,
        data_keys=LocalDataKeys(keyring, os.urandom),
        secrets=LocalSecrets(table, keyring),
        records=StandardOutput(),
        clock=unix_time,
        policy=policy(settings),
    )


async def ensure_admin_key(settings: Settings, world: World) -> None:
    """Make the administrator's key at the first start, and its file again when it was lost but is still known."""
    path = settings.gatehouse_data / ADMIN_KEY_FILE
    known = await world.secrets.get(ADMIN_KEY)
    if known is None:
        known = random_admin_key()
        await world.secrets.put(ADMIN_KEY, known)
    if read_private(path) != known:
        write_private(path, known)


def renew_admin_key(settings: Settings) -> str:
    """A new administrator's key for the data folder; a running gateway takes it from the next request on.

    Returns:
        The file that holds it.
    """
    database = settings.gatehouse_data / DATABASE
    if not database.exists():
        raise Invalid(f"There is no gateway's data in {settings.gatehouse_data}. Name the folder with GATEHOUSE_DATA.")
    table = SqliteTable(database, unix_time)
    try:
        key = random_admin_key()
        asyncio.run(local_world(settings, table).secrets.put(ADMIN_KEY, key))
        write_private(settings.gatehouse_data / ADMIN_KEY_FILE, key)
    finally:
        table.close()
    return str(settings.gatehouse_data / ADMIN_KEY_FILE)


@asynccontextmanager
async def _demo(settings: Settings, admin: Administration, world: World) -> AsyncGenerator[Demo | None]:
    """The demo server, as long as the registry has it: made at the first start, and not again once it was deleted."""
    state = await admin.state()
    if state.organisation is not None and not {DEMO_SERVER} <= state.servers.keys():
        yield None
        return
    process = await asyncio.to_thread(_start_demo)
    try:
        assert process.stdout is not None  # noqa: S101 - asked for below
        told = await asyncio.to_thread(process.stdout.readline)
        if not told:
            raise Invalid("The demo server did not start; what it said stands above.")
        port = int(told)
        url = f"http://{HOST}:{port}/mcp"
        await admin.apply(ApplyDraft(config=_demo_config(url, first=state.organisation is None)))
        yield Demo(f"{settings.public_url}/{DEMO_WORKSPACE}/{DEMO_SERVER}/mcp", await _demo_key(settings, admin, world))
    finally:
        process.communicate(timeout=STOP_WITHIN_S)


def _start_demo() -> subprocess.Popen[bytes]:
    """The demo server in a session of its own, so that Ctrl-C is ours alone. It ends when its standard input does:
    with us, however we end."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway_core.local.demo"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def _demo_config(url: str, *, first: bool) -> ConfigDraft:
    """The demo in the registry. Its port is another one at each start."""
    server = ServerDraft(slug=DEMO_SERVER, name="Demo", url=url, workspaces=[DEMO_WORKSPACE])
    workspace = WorkspaceDraft(slug=DEMO_WORKSPACE, name="Demo team")
    return ConfigDraft(organisation="My organisation" if first else None, workspaces=[workspace], servers=[server])


async def _demo_key(settings: Settings, admin: Administration, world: World) -> str:
    """The key of the last start while it works, else a new one."""
    path = settings.gatehouse_data / DEMO_KEY_FILE
    token = read_private(path)
    if token is not None and await _works(token, world):
        return token
    draft = KeyDraft(workspace=DEMO_WORKSPACE, kind="service", subject="demo")
    token, _ = await admin.create_key(draft, by="gatehouse dev")
    write_private(path, token)
    return token


async def _works(token: str, world: World) -> bool:
    try:
        workspace_id, key_id = api_keys.locate(token)
        item = await world.table.get(keys.api_key(workspace_id, key_id))
        api_keys.caller_of(token, None if item is None else api_keys.from_data(item.data), world.clock())
    except GatewayError:
        return False
    return True


def _listening(port: int) -> socket.socket:
    # The protocol is named so that asyncio sees TCP and switches Nagle's algorithm off; else answers wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Only frees a port whose last connections are still closing; a port that somebody listens on stays theirs.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise PortInUse(
            f"Port {port} on {HOST} cannot be used: {error.strerror}. Choose another: PORT={next_port(port)} make dev"
        ) from None
    return listener


def on_one_port(mcp: AsgiApp, api: AsgiApp, oauth: AsgiApp) -> AsgiApp:
    """One application for a machine with one port."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        at = oauth if owns(path) else api if path.startswith("/api/") else mcp
        await at(scope, receive, send)

    return app


def _welcome(settings: Settings, demo: Demo | None, setup_link: str | None) -> None:
    here = f"http://{HOST}:{settings.port}"
    at = here if settings.public_url == here else f"{here}, for clients at {settings.public_url}"
    lines = [f"Gatehouse is running at {at} (data: {settings.gatehouse_data}). Ctrl-C ends it.", ""]
    if setup_link is not None:
        lines += ["  Become its owner (this link works once):", f"  {setup_link}", ""]
    else:
        lines += ["  For people, who see there what they can use:", f"  {settings.public_url}/", ""]
        lines += ["  To administer as yourself:", f"  gatehouse login --url {settings.public_url}", ""]
    if demo is not None:
        lines += [
            f"  MCP URL   {demo.url}",
            f"  API key   {demo.key}",
            "",
            "  Claude Code, which then opens the sign-in page (clients take the URL alone):",
            f"  claude mcp add --transport http demo {demo.url}",
            "",
            "  The same without a browser:",
            f'  claude mcp add --transport http demo {demo.url} --header "Authorization: Bearer {demo.key}"',
            "",
        ]
    else:
        lines += ["  The demo server was deleted. A new data folder has one: GATEHOUSE_DATA=.gatehouse-2 make dev", ""]
    lines += [f"  Administrator's key: {settings.gatehouse_data / ADMIN_KEY_FILE}", ""]
    # Standard error: standard output carries the records of calls, one JSON object a line, and nothing else.
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201 - said to the person at the keyboard
