"""`gatehouse servers`: what there is to call."""

from gateway_core.cli.options import Key, Url, client, group
from gateway_core.cli.shapes import Server, Servers
from gateway_core.cli.tables import show

servers = group("servers", "Servers: what there is to call.")


@servers.command("list")
def list_servers(url: Url = None, key: Key = None) -> None:
    """List servers, with how the gateway proves itself to each and whose account that is."""
    found = client(url, key).read(Servers, "GET", "/servers").servers
    rows = [(each.slug, each.auth.type, each.auth.granularity or "-", _places(each), each.url) for each in found]
    show(("SERVER", "AUTH", "ACCOUNT OF", "WORKSPACES", "URL"), rows)


def _places(server: Server) -> str:
    return "all" if server.workspaces == "all" else ", ".join(server.workspaces) or "-"
