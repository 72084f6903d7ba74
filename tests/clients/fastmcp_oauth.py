"""A program of a fastmcp 4 user: signs in as `auth="oauth"` does, lists the tools and calls the one it is told.

The arguments: the tool, the server's address, and a folder to remember in (`auth="oauth"` alone forgets at the end).
"""

import logging
import sys
from pathlib import Path

import anyio
from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.filetree import FileTreeStore, FileTreeV1KeySanitizationStrategy


def store(folder: Path) -> FileTreeStore:
    """The keys are URLs, of which this store makes file names only when told to."""
    folder.mkdir(exist_ok=True)
    return FileTreeStore(data_directory=folder, key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(folder))


async def main(tool: str, url: str, folder: str) -> None:
    async with Client(url, auth=OAuth(token_storage=store(Path(folder)))) as client:
        names = [one.name for one in await client.list_tools()]
        print(len(names), "tools,", tool in names)
        print((await client.call_tool(tool)).content[0].text)


# Without its pictures of frames: the message of an error is what counts.
logging.basicConfig(level="WARNING")
anyio.run(main, *sys.argv[1:])
