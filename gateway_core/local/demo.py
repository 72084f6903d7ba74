"""A small MCP server to try the gateway with, on the official SDK, in a process of its own.

It ends when its standard input does: with the gateway that started it, however that ends.
"""

import asyncio
import os
import socket
import sys
import threading
from typing import Literal

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)

demo = MCPServer(
    "gatehouse-demo",
    log_level="ERROR",
    instructions="A server to try the gateway with: echo, add, a countdown that reports progress, and a question.",
)


@demo.tool(annotations=READ_ONLY)
def echo(text: str) -> str:
    """Give back what was sent."""
    return text


@demo.tool(annotations=READ_ONLY)
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@demo.tool(annotations=READ_ONLY)
async def countdown(ctx: Context, seconds: int = Field(default=3, ge=1, le=30)) -> str:
    """Count down, one progress report a second."""
    for done in range(seconds):
        await ctx.report_progress(done, seconds, f"{seconds - done} to go")
        await asyncio.sleep(1)
    return "Lift-off."


class Favourite(BaseModel):
    """What is asked for."""

    colour: Literal["red", "green", "blue"] = Field(description="Your favourite colour")


@demo.tool()
async def ask_colour(ctx: Context) -> str:
    """Ask the person at the client for a favourite colour."""
    answer = await ctx.elicit("Which colour do you like best?", Favourite)
    return f"You like {answer.data.colour}." if answer.action == "accept" else "You did not say."


@demo.resource("demo://greeting/{name}")
def greeting(name: str) -> str:
    """A greeting for a name."""
    return f"Hello, {name}."


@demo.prompt()
def haiku(topic: str) -> str:
    """Ask for a haiku."""
    return f"Write a haiku about {topic}."


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve on a free port of 127.0.0.1; the first line of standard output says which."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The protocol is named so that asyncio sees TCP and switches Nagle's algorithm off; else answers wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    # From here on calls wait until the server is up instead of failing.
    listener.listen()
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - read by the process that started this one
    config = uvicorn.Config(demo.streamable_http_app(), log_level="warning", access_log=False)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
