"""Runs the matrix: the official suite at either revision, through the gateway, against servers of either era and both;
its `authorization` mode against the gateway itself; and its `client` mode, with the gateway as the client.

As a program (`make conformance`) it prints every cell and ends with 1 when anything is not as expected. One cell:
`python -m tests.conformance.suite --cell 2026-07-28:legacy`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conformance.authorization import (
    AUTHORIZATION_CELLS,
    AuthorizationCell,
    AuthorizationJudged,
    judge_authorization,
)
from tests.conformance.cells import CELLS, Cell
from tests.conformance.client.cells import CLIENT_CELLS, ClientCell
from tests.conformance.client.judging import ClientJudged
from tests.conformance.client.mode import judge_client
from tests.conformance.judging import Judged
from tests.conformance.shim import shim
from tests.conformance.uncrossable import of, read_uncrossable
from tests.conformance.verdicts import Run, run, scored_scenarios
from tests.gateway_process import gateway
from tests.processes import Kind, conformance_server


async def run_directly(revision: str, kind: Kind, folder: Path) -> Run:
    """The suite against a server itself."""
    with conformance_server(folder, kind) as upstream:
        return await run(upstream, revision, folder / f"direct-{kind}")


async def run_through(cell: Cell, folder: Path) -> Run:
    """The suite against the gateway in front of the cell's server."""
    with conformance_server(folder, cell.kind) as upstream, gateway(folder) as gate:
        endpoint = gate.serve("conformance", upstream)
        async with shim(endpoint, gate.key()) as url:
            return await run(url, cell.revision, folder / f"gateway-{cell.kind}")


AnyCell = Cell | AuthorizationCell | ClientCell


async def judge(cell: AnyCell, folder: Path) -> Judged | AuthorizationJudged | ClientJudged:
    """Run one cell; logs and what the suite writes go into `folder`."""
    if isinstance(cell, AuthorizationCell):
        return await judge_authorization(cell, folder)
    if isinstance(cell, ClientCell):
        return await judge_client(cell, folder)
    scored = await asyncio.to_thread(scored_scenarios, cell.revision)
    direct = await run_directly(cell.revision, cell.measure, folder)
    through = await run_through(cell, folder)
    return Judged(cell, scored, direct, through, of(cell, read_uncrossable()))


@contextlib.contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """`folder`, or one that goes afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="gatehouse-conformance-") as made:
            yield Path(made)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every cell that was asked for."""
    cells: list[AnyCell] = [*CELLS, *AUTHORIZATION_CELLS, *CLIENT_CELLS]
    names = {str(cell): cell for cell in cells}
    parser = argparse.ArgumentParser(description="Run the official conformance suite through the gateway.")
    parser.add_argument(
        "--cell",
        action="append",
        choices=names,
        help="revision:upstream, authorization:how the client is known, client:revision:era of who calls; or all",
    )
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and what the suite writes")
    options = parser.parse_args(arguments)
    amiss = False
    with kept(options.keep) as folder:
        logging.basicConfig(filename=folder / "clients.log")
        for name in options.cell or names:
            own = folder / name.replace(":", "-")
            own.mkdir()
            found = asyncio.run(judge(names[name], own))
            print(found.report(), flush=True)
            amiss = amiss or bool(found.complaints())
    return int(amiss)


if __name__ == "__main__":
    sys.exit(main())
