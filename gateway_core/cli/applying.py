"""`gatehouse apply`: make the registry say what a file says."""

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway_core.cli.admin_client import ConfigRefused
from gateway_core.cli.config_file import read_config
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.options import Key, Url, client
from gateway_core.cli.shapes import Changes
from gateway_core.errors import Invalid

_NOTHING: Final = "Nothing was changed."


def apply(
    file: Annotated[Path, typer.Option("--file", "-f", help="Configuration file (YAML).")],
    prune: Annotated[bool, typer.Option("--prune", help="Also delete what the file does not name.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make the registry say what a file says. Repeating it changes nothing."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}", _NOTHING) from None
    try:
        config = read_config(str(file), text)
    except Invalid as problem:
        raise CommandFailed(problem.message, _NOTHING) from None
    api = client(url, key)
    try:
        answer = api.read(Changes, "POST", "/apply", {"config": config.data, "prune": prune})
    except ConfigRefused as refused:
        lines = [config.told(path[1:], said) for path, said in refused.problems]
        raise CommandFailed(*lines, _NOTHING) from None
    for change in answer.changes:
        fields = f" ({', '.join(change.fields)})" if change.fields else ""
        typer.echo(f"{change.action}d {change.kind} {change.slug}{fields}")
    if not answer.changes:
        typer.echo("Nothing to change.")
