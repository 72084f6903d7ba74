"""Claude Code, the real program, against a gateway: adds the server, asks for its health, and wants to see "Connected".

Run by `make clients`; about 250 MB to download, so no part of `make test`. Its home is an empty folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.gateway_process import gateway
from tests.processes import conformance_server
from tests.programs import npm_folder

LIMIT_S = 120
WANTED = "✔ Connected"


def claude(home: Path, *arguments: str) -> str:
    """Run Claude Code with `home` as its home; gives everything it prints."""
    program = npm_folder("claude", scripts=True) / "node_modules" / ".bin" / "claude"
    quiet = {"HOME": str(home), "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1", "NO_COLOR": "1"}
    kept = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        if name in os.environ
    }
    done = subprocess.run(
        [program, *arguments], cwd=home, env=kept | quiet, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    return done.stdout + done.stderr


def main() -> int:
    """Try it once and say how it went."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-claude-") as made:
        folder = Path(made)
        home = folder / "home"
        home.mkdir()
        print(claude(home, "--version").strip())
        with conformance_server(folder) as upstream, gateway(folder) as gate:
            url, key = gate.serve("conformance", upstream), gate.key()
            header = f"Authorization: Bearer {key}"
            print(claude(home, "mcp", "add", "--transport", "http", "conformance", url, "--header", header))
            listed = claude(home, "mcp", "list")
    print(listed)
    return 0 if WANTED in listed else 1


if __name__ == "__main__":
    sys.exit(main())
