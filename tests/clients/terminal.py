"""Running a program as a person does: with a home of its own, and on a terminal where the program insists on one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 120
KEPT = ("PATH", "LANG", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
"""All that a program sees of the environment of the tests."""
ROWS, COLUMNS = 50, 160
POLL_S = 0.2
READS_S = 1.0
"""A person reads first; programs miss keys that come with their own words."""
MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
"""What moves the cursor, changes colours, or tells the terminal itself something (ECMA-48)."""


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
        with self._started(command, more) as (process, ours):
            shown = bytearray()
            # At its end a terminal gives an error on Linux, and nothing elsewhere.
            with contextlib.suppress(OSError):
                while chunk := os.read(ours, 65_536):
                    shown += chunk
            process.wait(LIMIT_S)
        return shown.decode(errors="replace")

    def talk(self, *command: str | Path, dialog: Sequence[tuple[str, bytes]], **more: str) -> str:
        """Run `command` on the terminal, and end it when `dialog` is through; gives what it showed, without any space.

        `dialog` is what the program shows in turn, and the keys that are pressed then. Spaces do not count: programs
        jump over them.

        Raises:
            AssertionError: It shows something else.
        """
        shown, at = "", 0
        with self._started(command, more) as (process, ours):
            try:
                for words, keys in dialog:
                    wanted = "".join(words.split())
                    shown = self._read_on(ours, shown, at, wanted)
                    at = shown.index(wanted, at) + len(wanted)
                    if keys:
                        time.sleep(READS_S)
                        os.write(ours, keys)
            finally:
                process.terminate()
                process.wait(LIMIT_S)
        return shown

    def _read_on(self, ours: int, shown: str, at: int, words: str) -> str:
        deadline, raw = time.monotonic() + LIMIT_S, b""
        while words not in (now := shown + "".join(MOVES.sub("", raw.decode(errors="replace")).split()))[at:]:
            assert time.monotonic() < deadline, f"{words} is not in {now[at:]}"
            if select.select([ours], [], [], POLL_S)[0]:
                raw += os.read(ours, 65_536)
        return now

    @contextlib.contextmanager
    def _started(
        self, command: Sequence[str | Path], more: Mapping[str, str]
    ) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        try:
            process = subprocess.Popen(
                command, cwd=self.home, env=self.environment | more,
                stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            )  # fmt: skip
            os.close(theirs)
            yield process, ours
        finally:
            os.close(ours)
