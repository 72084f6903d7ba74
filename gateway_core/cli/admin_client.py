"""The command line's way to the admin API."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from gateway_core.cli.answers import read_answer, sendable
from gateway_core.errors import Invalid
from gateway_core.settings import Settings

TIMEOUT_S = 60.0


class CommandFailed(Exception):
    """What to print before leaving with status 1; one line each."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class ConfigRefused(CommandFailed):
    """The API refused fields of what was sent. `problems` are (path, message)."""

    def __init__(self, detail: str, problems: list[tuple[list[str | int], str]]) -> None:
        told = [f"{'.'.join(map(str, path))}: {message}" for path, message in problems if message != detail]
        super().__init__(detail, *told)
        self.detail = detail
        self.problems = problems


@dataclass(slots=True)
class AdminClient:
    """One gateway, and a credential for its admin API."""

    url: str
    key: str = field(repr=False)
    renew: Callable[[str], str | None] | None = None
    """From a credential that was refused to the next one, where there can be one."""

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """One request of the admin API; its JSON answer, or None.

        Raises:
            ConfigRefused: Fields of the body are wrong.
            CommandFailed: Anything else that went wrong, in words for the person at the keyboard.
        """
        response = self._send(method, path, body, query)
        if response.status_code == 401 and self.renew is not None:
            self.key = self.renew(self.key) or self.key
            response = self._send(method, path, body, query)
        return _answer(response)

    def _send(self, method: str, path: str, body: Any, query: dict[str, str]) -> httpx2.Response:
        try:
            with httpx2.Client(timeout=TIMEOUT_S, trust_env=not direct(self.url)) as http:
                return http.request(
                    method, f"{self.url}/api/v1{path}", json=body, params=query,
                    headers={"Authorization": f"Bearer {self.key}"},
                )  # fmt: skip
        except httpx2.ConnectError:
            raise CommandFailed(
                f"No gateway answers at {self.url}. Is it running? Start it with: make dev",
                "A gateway at another port or address is named by PORT, or by --url and --key.",
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise CommandFailed(f"The gateway at {self.url} did not answer: {error}") from None
        except UnicodeEncodeError:
            raise CommandFailed("One of the words of this command is not UTF-8 text.") from None


def direct(url: str) -> bool:
    """True for a gateway on this machine: it is reached directly, whatever proxy the environment names."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def gateway_url(settings: Settings, url: str | None) -> str:
    """The gateway that `--url` names, or the one on this machine.

    Raises:
        CommandFailed: It is no URL.
    """
    at = (url or f"http://127.0.0.1:{settings.port}").rstrip("/")
    if not _names_a_gateway(at):
        raise CommandFailed(f"{at} is no URL of a gateway. Write it like https://gateway.example.com")
    return at


def _names_a_gateway(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and sendable(url)


def _answer(response: httpx2.Response) -> Any:
    if response.status_code == 204:
        return None
    try:
        value = read_answer(response.content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandFailed(f"HTTP {response.status_code}, and no JSON: is this URL a Gatehouse gateway?")
    if response.status_code < 400:
        return value
    detail = str(value.get("detail", f"HTTP {response.status_code}"))
    problems = _problems(value.get("problems"))
    if problems:
        raise ConfigRefused(detail, problems)
    raise CommandFailed(detail)


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
    folder = os.fspath(settings.gatehouse_data)
    return CommandFailed(
        f"There is no administrator's key in {folder}/admin.key. Start the gateway once (make dev), "
        "name its data folder with GATEHOUSE_DATA, or make the key anew: gatehouse admin-key",
        "At another gateway, log in: gatehouse login --url URL",
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
