"""Which servers a member can use, and in which workspaces. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from gateway_core.registry.members import Member
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace


def usable(
    member: Member, workspaces: Iterable[Workspace], servers: Iterable[Server]
) -> Iterator[tuple[Workspace, tuple[Server, ...]]]:
    """Each of `workspaces` that `member` reaches, with the servers that are provisioned to it, all in the order given.

    It looks at each server once, whatever the number of workspaces: an organisation may have thousands of both.
    """
    placed: defaultdict[str, list[tuple[int, Server]]] = defaultdict(list)
    for position, server in enumerate(servers):
        for place in ("all",) if server.workspaces == "all" else server.workspaces:
            placed[place].append((position, server))
    for workspace in workspaces:
        if member.reaches(workspace.id):
            yield workspace, tuple(server for _, server in sorted(placed["all"] + placed[workspace.id], key=_position))


def _position(placed: tuple[int, Server]) -> int:
    return placed[0]
