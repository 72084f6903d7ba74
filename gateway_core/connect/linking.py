"""Everything that connecting accounts at servers needs, in one value."""

from dataclasses import dataclass

from gateway_core.connect.authorizing import Authorizing
from gateway_core.connect.callback import Callback
from gateway_core.connect.client_metadata import OwnClient
from gateway_core.connect.connectable import Connectables
from gateway_core.connect.disconnecting import Disconnecting
from gateway_core.upstream.connections import Connections
from gateway_core.upstream.tickets import Tickets


@dataclass(frozen=True, slots=True)
class Linking:
    """What the pages are built on. One per process."""

    own: OwnClient
    tickets: Tickets
    connectables: Connectables
    connections: Connections
    authorizing: Authorizing
    callback: Callback
    disconnecting: Disconnecting
