"""A network for a function in which names lead inward: to its own Runtime API, whose port is open besides.

What keeps a request from there is then the address alone.
"""

import os
import socket
from typing import Any

NAMES = {
    "runtime.example": "127.0.0.1",
    "runtime6.example": "::1",
    "mapped.example": "::ffff:127.0.0.1",
    "translated.example": "64:ff9b::7f00:1",
    "everywhere.example": "0.0.0.0",
    "sandbox.localdomain": "127.0.0.1",
}


def lead() -> None:
    """Lead the process there. No name of `.example` leads out."""
    really = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host in NAMES:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (NAMES[host], port))]
        if str(host).endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return really(host, port, *more, **named)

    socket.getaddrinfo = getaddrinfo
    os.environ["EGRESS_PORTS"] = f"443 {os.environ['AWS_LAMBDA_RUNTIME_API'].rpartition(':')[2]}"
