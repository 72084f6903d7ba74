"""A host that knows stdio alone, with mcp-remote between it and a server: lists the tools and calls the one it is told.

The arguments are those of mcp-remote, the tool first. NODE and NPM_FOLDER say where Node and mcp-remote are.
"""

import os
import sys

import anyio
from mcp import Client, StdioServerParameters, stdio_client

PROGRAM = "node_modules/mcp-remote/dist/proxy.js"


async def main(tool: str, *arguments: str) -> None:
    program = os.path.join(os.environ["NPM_FOLDER"], PROGRAM)
    started = StdioServerParameters(command=os.environ["NODE"], args=[program, *arguments], env=dict(os.environ))
    async with Client(stdio_client(started), mode="legacy") as client:
        names = [one.name for one in (await client.list_tools()).tools]
        print(len(names), "tools,", tool in names)
        print((await client.call_tool(tool)).content[0].text)


anyio.run(main, *sys.argv[1:])
