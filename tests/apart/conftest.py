"""What the stories of separate processes share: every kind of gateway, and every kind of server behind a tap."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio

from tests.apart.clients import LegacyClient, ModernClient, SseClient
from tests.apart.tap import Tap
from tests.apart.worlds import World, tapped, world
from tests.processes import Kind, conformance_server

KINDS: tuple[Kind, ...] = ("legacy", "modern", "sse")


@dataclass
class Stage:
    """A gateway of several processes, the servers behind it, and what makes clients."""

    world: World
    taps: Mapping[Kind, Tap]
    http: httpx2.AsyncClient

    def modern_client(self, kind: Kind) -> ModernClient:
        return ModernClient(self.world, self.http, f"{kind}-server")

    def sse_client(self, kind: Kind) -> SseClient:
        return SseClient(self.world, self.http, f"{kind}-server")

    async def legacy_client(self, kind: Kind) -> LegacyClient:
        made = LegacyClient(self.world, self.http, f"{kind}-server")
        await made.open(self.world.doors[0])
        return made


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Kind, str]]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("servers")
        yield {kind: stack.enter_context(conformance_server(folder, kind)) for kind in KINDS}


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["sqlite", "dynamo", "lambda"])
async def standing(
    request: pytest.FixtureRequest, servers: Mapping[Kind, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stage]:
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(world(request.param, tmp_path_factory.mktemp(request.param)))
        taps: dict[Kind, Tap] = {}
        for kind, url in servers.items():
            taps[kind], at = await stack.enter_async_context(tapped(url))
            await made.serve(f"{kind}-server", at)
        http = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=25))
        yield Stage(made, taps, http)


@pytest_asyncio.fixture(loop_scope="session")
async def stage(standing: Stage) -> AsyncGenerator[Stage]:
    for tap in standing.taps.values():
        tap.seen.clear()
        tap.forgotten.clear()
        tap.together.clear()
    yield standing
    if standing.world.guarded is not None:
        assert standing.world.guarded.refused == []
