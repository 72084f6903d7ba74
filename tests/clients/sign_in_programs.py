"""The whole programs that sign in by themselves: what a person types into each, and what each then shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.clients.models import Model
from tests.clients.signing_in import House
from tests.clients.terminal import Terminal
from tests.programs import environment, node, npm_folder, own_python

HERE = Path(__file__).parent
NAME, TOOL = "gw", "test_simple_text"
DENIED = "The person at the browser did not allow it."
ANSWER = "This is a simple text response for testing."


@dataclass(frozen=True, slots=True)
class Desk:
    """A person's place: a terminal, the gateway's address, a model for agents, a port for answers from the browser."""

    terminal: Terminal
    house: House
    model: Model
    port: int

    @property
    def url(self) -> str:
        """All that the person was told."""
        return self.house.endpoint()

    @property
    def kept(self) -> str:
        """A folder for a program that does not choose one."""
        return str(self.terminal.home / "kept")


Act = Callable[[Desk], str]


@dataclass(frozen=True, slots=True)
class Program:
    """One program; `enter` and `call` give what it prints."""

    name: str
    enter: Act
    """Makes it sign in; in some programs, that is already a call."""
    call: Act
    """Makes it call the tool."""
    entered: str
    """What it says when it is in."""
    trust: str
    """What the consent page says of it."""
    known: str
    """How its `client_id` begins."""
    refused: str
    """What its user reads after the grant has ended, who says no to a new one."""
    denied: str = DENIED
    """What its user reads after saying no at the browser."""
    starts_over: bool = False
    """True where it goes by the clock alone: a token that is refused before its time sends it back to the browser."""


def claude_code() -> Path:
    """The program."""
    return npm_folder("claude", scripts=True) / "node_modules" / ".bin" / "claude"


CLAUDE_QUIET = {"DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1", "DISPLAY": ":0"}
"""It opens a browser only where it believes in a screen."""


def claude(terminal: Terminal, *arguments: str, **more: str) -> str:
    """Run Claude Code."""
    return terminal.run(claude_code(), *arguments, **CLAUDE_QUIET, **more)


def claude_asked(terminal: Terminal, model: Model) -> str:
    """Have the model call the tool."""
    backend = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "x"}
    return claude(terminal, "-p", "Call the tool.", "--allowedTools", f"mcp__{NAME}__*", **backend)


def claude_enters(desk: Desk) -> str:
    """Add the server and log in, which insists on a terminal; the last word has the health check."""
    claude(desk.terminal, "mcp", "add", "--transport", "http", NAME, desk.url)
    shown = desk.terminal.type(claude_code(), "mcp", "login", NAME, **CLAUDE_QUIET)
    return shown + claude(desk.terminal, "mcp", "list")


def claude_calls(desk: Desk) -> str:
    """Have it called by the model, and ask for the server's health."""
    return claude_asked(desk.terminal, desk.model) + claude(desk.terminal, "mcp", "list")


def codex(terminal: Terminal, *arguments: str) -> str:
    """Run Codex."""
    program = npm_folder("codex") / "node_modules" / ".bin" / "codex"
    return terminal.run(program, *arguments)


def codex_asked(terminal: Terminal, model: Model) -> str:
    """Have the model call the tool."""
    backend = f'{{name="fake", base_url="{model.url}/v1", wire_api="responses"}}'
    chosen = ("-c", f"model_providers.fake={backend}", "-c", 'model_provider="fake"', "-c", 'model="none"')
    free = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    return codex(terminal, *chosen, "exec", *free, "Call the tool.")


def codex_enters(desk: Desk) -> str:
    """Add the server; that starts the sign-in."""
    return codex(desk.terminal, "mcp", "add", NAME, "--url", desk.url)


def codex_calls(desk: Desk) -> str:
    """Have it called by the model."""
    return codex_asked(desk.terminal, desk.model)


def remote(terminal: Terminal, tool: str, *arguments: str) -> str:
    """Call a tool from a host that knows stdio alone; the arguments are those of mcp-remote."""
    found = {"NODE": str(node()), "NPM_FOLDER": str(npm_folder("remote"))}
    return terminal.run(own_python(), HERE / "remote_stdio.py", tool, *arguments, **found)


def remote_calls(desk: Desk) -> str:
    """Call it."""
    return remote(desk.terminal, TOOL, desk.url, str(desk.port))


def inspector(terminal: Terminal, url: str, *options: str, **settings: str) -> str:
    """Call a tool from the Inspector's command line."""
    program = npm_folder("inspector") / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    asked = ("--transport", "http", "--format", "json", "--method", "tools/call", *options)
    return terminal.run(node(), program, "--cli", url, *asked, **settings)


def inspector_calls(desk: Desk) -> str:
    """Call it from the command line."""
    back = ("--callback-url", f"http://127.0.0.1:{desk.port}/oauth/callback")
    settings = {"MCP_AUTO_OPEN_ENABLED": "true", "MCP_INSPECTOR_SECRET_STORE": "file"}
    return inspector(desk.terminal, desk.url, *back, "--tool-name", TOOL, **settings)


def fastmcp_calls(desk: Desk) -> str:
    """Call it from a program of a few lines."""
    python = environment("fastmcp") / "python"
    return desk.terminal.run(python, HERE / "fastmcp_oauth.py", TOOL, desk.url, desk.kept)


FASTMCP_DENIED = "Access was denied by the authorization server."
"""Its own words for `access_denied`; it leaves the server's out."""

PROGRAMS = [
    Program(
        "claude-code",
        claude_enters,
        claude_calls,
        entered="✔ Connected",
        trust="Claude Code , verified as claude.ai",
        known="https://claude.ai/oauth/claude-code-client-metadata",
        refused="! Needs authentication",
    ),
    Program(
        "codex",
        codex_enters,
        codex_calls,
        entered="Successfully logged in",
        trust="Codex , verified as chatgpt.com",
        known="https://chatgpt.com/oauth/codex/client.json",
        refused="AuthRequired",
    ),
    Program(
        "mcp-remote",
        remote_calls,
        remote_calls,
        entered=ANSWER,
        trust="An app calling itself MCP CLI Proxy — unverified",
        known="ghd_",
        refused=DENIED,
    ),
    Program(
        "inspector",
        inspector_calls,
        inspector_calls,
        entered=ANSWER,
        trust="An app calling itself MCP Inspector — unverified",
        known="ghd_",
        refused=DENIED,
    ),
    Program(
        "fastmcp",
        fastmcp_calls,
        fastmcp_calls,
        entered=ANSWER,
        trust="An app calling itself FastMCP Client — unverified",
        known="ghd_",
        refused=FASTMCP_DENIED,
        denied=FASTMCP_DENIED,
        starts_over=True,
    ),
]
