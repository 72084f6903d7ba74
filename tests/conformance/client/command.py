"""What the suite starts for each scenario: hands it to the process that has the clients, and ends as that one says.

As a program it gets a port and, last, the address of the suite's server. Imports the standard library alone: the suite
starts three dozen at once.
"""

import json
import os
import socket
import sys

PREFIX = "MCP_CONFORMANCE_"


def main(port: str, url: str) -> int:
    """Wait until the scenario was played; 1 where its client got nowhere."""
    given = {name.removeprefix(PREFIX).lower(): value for name, value in os.environ.items() if name.startswith(PREFIX)}
    with socket.create_connection(("127.0.0.1", int(port))) as line, line.makefile("rw") as file:
        file.write(json.dumps({"url": url, **given}) + "\n")
        file.flush()
        told = json.loads(file.readline())
    print(told["said"])
    return 0 if told["through"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
