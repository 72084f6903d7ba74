"""`gatehouse`: run a gateway on this machine, and administer any gateway."""

import sys
from collections.abc import Callable

from gateway_core.cli.answers import shown
from gateway_core.cli.app import app
from gateway_core.cli.failing import CommandFailed
from gateway_core.errors import GatewayError

__all__ = ["main"]


def main() -> None:
    """Run a command. What goes wrong is told in words, with status 1; a stack trace is a bug of ours."""
    _run(app)


def _run(command: Callable[[], object]) -> None:
    try:
        command()
    except CommandFailed as problem:
        sys.exit("\n".join(map(shown, problem.lines)))
    except GatewayError as problem:
        sys.exit(problem.message)
    except BrokenPipeError:
        sys.exit(1)
