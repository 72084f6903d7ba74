"""By which of its names somebody called the gateway. Pure."""

import re
from typing import Final

from gateway_core.settings import LOOPBACK_HOSTS

_THIS_MACHINE: Final = re.compile(rf"({'|'.join(map(re.escape, sorted(LOOPBACK_HOSTS)))})(?::([0-9]{{1,5}}))?")
_USUAL_PORTS: Final = {"http": "80", "https": "443"}


def goes_by_another(host: str, public_url: str) -> bool:
    """True for a `Host` that is another name of this machine than that of `public_url`, with the same port.

    Where `public_url` is no name of this machine, a proxy stands in front, which may well call us by one.
    """
    scheme, _, own = public_url.lower().partition("://")
    came, ours = _THIS_MACHINE.fullmatch(host.lower()), _THIS_MACHINE.fullmatch(own)
    if came is None or ours is None or came[1] == ours[1]:
        return False
    usual = _USUAL_PORTS.get(scheme)
    return (came[2] or usual) == (ours[2] or usual)
