"""The one place that decides. Lists, calls, reads and streams ask the same function. Pure."""

from typing import Literal, NamedTuple

from gateway_core.access.callers import Caller
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace


class Decision(NamedTuple):
    """What was decided, and the rule that settled it.

    `out_of_reach` must look like an unknown name; `refused` says who can change it.
    """

    answer: Literal["allowed", "refused", "out_of_reach"]
    rule: str
    text: str = ""


ALLOWED = Decision("allowed", "provisioned")


def decide(caller: Caller, workspace: Workspace, server: Server) -> Decision:
    """Whether `caller` may use `server` in `workspace`.

    Subtractive: organisation (provisioned to the workspace), then workspace (the credential's own), then the
    credential (its list of servers).
    """
    if workspace.id != caller.workspace_id:
        return Decision("out_of_reach", "other_workspace")
    if not server.in_workspace(workspace.id):
        return Decision("out_of_reach", "not_provisioned")
    if caller.servers is not None and server.id not in caller.servers:
        return Decision(
            "refused",
            "key_servers",
            f"This API key may not use {server.name} ({server.slug}): it is limited to other servers of "
            f"{workspace.name}. An administrator of {workspace.name} can make a key that includes it.",
        )
    return ALLOWED
