"""A visit with the MCP Inspector's command line, one process per step. Modes: `auto`, `legacy`, `modern`.

NODE and NPM_FOLDER say where Node and the Inspector are. The Inspector's home is a folder that is thrown away.
"""

import json
import os
import subprocess
import tempfile
from typing import Any

from visit import STEP_S, Heard, Order, run, say, walk

PROGRAM = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"

LISTS = {
    "tools": ("tools/list", "tools", "name"),
    "prompts": ("prompts/list", "prompts", "name"),
    "resources": ("resources/list", "resources", "uri"),
    "templates": ("resources/templates/list", "resourceTemplates", "uriTemplate"),
}


class Refused(Exception):
    """The Inspector ended without a result; the text is what it printed."""


def pairs(switch: str, given: dict[str, str]) -> list[str]:
    """Arguments in the form `key=value`."""
    return [switch, *(f"{name}={value}" for name, value in given.items())] if given else []


class Verbs:
    """What a step can be."""

    def __init__(self, order: Order, home: str) -> None:
        self.order, self.home = order, home

    def ask(self, method: str, *options: str) -> dict[str, Any]:
        """Run the Inspector once; gives the result of `method`."""
        headers = [word for name, value in self.order.headers.items() for word in ("--header", f"{name}: {value}")]
        command = [os.environ["NODE"], os.path.join(os.environ["NPM_FOLDER"], PROGRAM), "--cli", self.order.url]
        settings = ["--transport", "http", "--protocol-era", self.order.mode, "--stored-auth-only", "--format", "json"]
        done = subprocess.run(
            [*command, *settings, *headers, "--method", method, *options],
            env={**os.environ, "HOME": self.home},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_S,
            check=False,
        )
        try:
            return json.loads(done.stdout)["result"]
        except (ValueError, KeyError):
            raise Refused(done.stderr or done.stdout) from None

    async def list(self, what: str) -> dict[str, Any]:
        method, key, name = LISTS[what]
        return {"names": [one[name] for one in self.ask(method)[key]]}

    async def call(self, tool: str, arguments: dict[str, str]) -> dict[str, Any]:
        done = self.ask("tools/call", "--tool-name", tool, *pairs("--tool-arg", arguments))
        return Heard().result_of(done["content"][0]["text"], failed=done.get("isError", False))

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        got = self.ask("prompts/get", "--prompt-name", name, *pairs("--prompt-args", arguments))
        return {"text": got["messages"][0]["content"]["text"]}

    async def read(self, uri: str) -> dict[str, Any]:
        return {"text": self.ask("resources/read", "--uri", uri)["contents"][0]["text"]}


async def main(order: Order) -> None:
    with tempfile.TemporaryDirectory() as home:
        verbs = Verbs(order, home)
        say("connect", protocol=verbs.ask("initialize")["protocolVersion"])
        await walk(order.steps, Heard(), verbs)


run(main)
