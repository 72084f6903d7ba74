"""How a command fails: in words for the person at the keyboard."""


class CommandFailed(Exception):
    """What to print before leaving with status 1; one line each."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
