"""Running a program as a person does: with a home of its own, and on a terminal where the program insists on one."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 120
KEPT = ("PATH", "LANG", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
"""All that a program sees of the environment of the tests."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a person types commands."""

    home: Path
    variables: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """What programs find in their environment."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return kept | {"HOME": str(self.home), "NO_COLOR": "1", "TERM": "xterm"} | dict(self.variables)

    def run(self, *command: str | Path, **more: str) -> str:
        """Run `command` with its output in a pipe; gives everything it prints, however it ends."""
        done = subprocess.run(
            command, cwd=self.home, env=self.environment | more, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    def type(self, *command: str | Path, **more: str) -> str:
        """Run `command` on the terminal itself; gives everything it shows."""
        ours, theirs = pty.openpty()
        with open(ours, "rb", buffering=0) as screen:
            process = subprocess.Popen(
                command, cwd=self.home, env=self.environment | more,
                stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            )  # fmt: skip
            os.close(theirs)
            shown = bytearray()
            # At its end a terminal gives an error on Linux, and nothing elsewhere.
            with contextlib.suppress(OSError):
                while chunk := screen.read(65_536):
                    shown += chunk
            process.wait(LIMIT_S)
        return shown.decode(errors="replace")
