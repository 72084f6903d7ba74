"""The command line's way to the admin API."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from gateway_core.cli.answers import read_answer, sendable
from gateway_core.cli.asking import Answer, ask
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.shapes import Told
from gateway_core.errors import Invalid
from gateway_core.settings import Settings

Shape = TypeVar("Shape", bound=Told)


class ConfigRefused(CommandFailed):
    """The API refused fields of what was sent. `problems` are (path, message)."""

    def __init__(self, detail: str, problems: list[tuple[list[str | int], str]]) -> None:
        told = [f"{'.'.join(map(str, path))}: {message}" for path, message in problems if message != detail]
        super().__init__(detail, *told)
        self.detail = detail
        self.problems = problems


class Refused(CommandFailed):
    """The API refused, with this HTTP status."""

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(slots=True)
class AdminClient:
    """One gateway, and a credential for its admin API."""

    url: str
    key: str = field(repr=False)
    renew: Callable[[str], str | None] | None = None
    """From a credential that was refused to the next one, where there can be one."""

    def read(self, shape: type[Shape], method: str, path: str, body: Any = None, **query: str) -> Shape:
        """One request of the admin API, and its answer.

        Args:
            shape: What is read of the answer.
            method: Of HTTP.
            path: Behind `/api/v1`.
            body: Sent as JSON.
            query: The parameters.

        Raises:
            ConfigRefused: Fields of the body are wrong.
            CommandFailed: Anything else that went wrong, in words for the person at the keyboard.
        """
        answer = self._send(method, path, body, query)
        if answer.status == 401 and self.renew is not None:
            self.key = self.renew(self.key) or self.key
            answer = self._send(method, path, body, query)
        try:
            return shape.model_validate(_value(answer))
        except ValidationError as error:
            field = ".".join(map(str, error.errors()[0]["loc"]))
            raise CommandFailed(
                f"The gateway at {self.url} answered something that this command line does not understand "
                f"(at {method} {path}: {field}). It may be of another version than this one: compare with "
                "'gatehouse --version'."
            ) from None

    def _send(self, method: str, path: str, body: Any, query: dict[str, str]) -> Answer:
        headers = {"Authorization": f"Bearer {self.key}"}
        return ask(method, f"{self.url}/api/v1{path}", json=body, params=query, headers=headers)


def gateway_url(settings: Settings, url: str | None) -> str:
    """The gateway that `--url` names, or the one on this machine.

    Raises:
        CommandFailed: It is no URL.
    """
    at = (url or f"http://127.0.0.1:{settings.port}").rstrip("/")
    if not _names_a_gateway(at):
        raise CommandFailed(f"{at} is no URL of a gateway. Write it like https://gateway.example.com")
    parts = urlsplit(at)
    if parts.path or parts.query or parts.fragment:
        origin = f"{parts.scheme}://{parts.netloc}"
        raise CommandFailed(f"{at} is the URL of something at a gateway. Name the gateway itself: --url {origin}")
    return at


def _names_a_gateway(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and sendable(url)


def _value(answer: Answer) -> dict[str, Any]:
    if answer.status == 204:
        return {}
    try:
        value = read_answer(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandFailed(f"HTTP {answer.status}, and no JSON: is this URL a Gatehouse gateway?")
    if answer.status < 400:
        found: dict[str, Any] = value
        return found
    detail = str(value.get("detail", f"HTTP {answer.status}"))
    problems = _problems(value.get("problems"))
    if problems:
        raise ConfigRefused(detail, problems)
    raise Refused(detail, answer.status)


def _problems(told: Any) -> list[tuple[list[str | int], str]]:
    try:
        return [(list(each["path"]), str(each["message"])) for each in told or ()]
    except (TypeError, KeyError):
        return []


def local_key(settings: Settings) -> str | None:
    """The administrator's key of this machine's gateway, or None where its data folder has none."""
    path = settings.gatehouse_data / "admin.key"
    try:
        return path.read_bytes().decode("utf-8", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}.") from None


def no_local_key(settings: Settings) -> CommandFailed:
    """There is nothing to prove with who is at the keyboard."""
    path = settings.gatehouse_data.absolute() / "admin.key"
    return CommandFailed(
        f"You are not logged in at the gateway of this machine, and there is no administrator's key in {path}",
        "Start the gateway once (make dev), run this where its data folder is, or name that folder with "
        "GATEHOUSE_DATA. If the key alone is lost, make it anew: gatehouse admin-key",
        "Or log in, from any folder: gatehouse login",
        "At another gateway: gatehouse login --url URL",
    )


def checked(key: str) -> str:
    """A key as it can be sent.

    Raises:
        CommandFailed: It cannot.
    """
    if not sendable(key):
        raise CommandFailed(
            "The administrator's key is ASCII text without spaces; this one is not. Was it copied whole?"
        )
    return key


def duration_s(text: str) -> int:
    """Seconds of a duration as people write it: 90d, 12h, 30m.

    Raises:
        Invalid: It is none.
    """
    units = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isascii() or not number.isdigit() or int(number) == 0:
        raise Invalid(f"{text!r} is no duration: write 90d, 12h or 30m.")
    return int(number) * units[unit]
