"""The command line's way to the admin API."""

import os
from dataclasses import dataclass
from typing import Any

import httpx2

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


@dataclass(frozen=True, slots=True)
class AdminClient:
    """One gateway and the administrator's key for it."""

    url: str
    key: str

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """One request of the admin API; its JSON answer, or None.

        Raises:
            ConfigRefused: Fields of the body are wrong.
            CommandFailed: Anything else that went wrong, in words for the person at the keyboard.
        """
        try:
            # A local gateway is reached directly, whatever proxy the environment names.
            with httpx2.Client(timeout=TIMEOUT_S, trust_env="127.0.0.1" not in self.url) as http:
                response = http.request(
                    method, f"{self.url}/api/v1{path}", json=body, params=query,
                    headers={"Authorization": f"Bearer {self.key}"},
                )  # fmt: skip
        except httpx2.ConnectError:
            raise CommandFailed(
                f"No gateway answers at {self.url}. Is it running? Start it with: make dev",
                "A gateway at another port or address is named by PORT, or by --url and --key.",
            ) from None
        except httpx2.HTTPError as error:
            raise CommandFailed(f"The gateway at {self.url} did not answer: {error}") from None
        return _answer(response)


def _answer(response: httpx2.Response) -> Any:
    if response.status_code == 204:
        return None
    try:
        value = response.json()
    except ValueError:
        raise CommandFailed(f"HTTP {response.status_code}, and no JSON: is this URL a Gatehouse gateway?") from None
    if response.status_code < 400:
        return value
    detail = str(value.get("detail", f"HTTP {response.status_code}"))
    if value.get("problems"):
        raise ConfigRefused(detail, [(each["path"], each["message"]) for each in value["problems"]])
    raise CommandFailed(detail)


def admin_client(settings: Settings, url: str | None, key: str | None) -> AdminClient:
    """The gateway to talk to: the one named, or the one on this machine with the key from its data folder.

    Raises:
        CommandFailed: There is no key.
    """
    if key is None and url is not None:
        raise CommandFailed("--url needs --key (or GATEHOUSE_KEY): the administrator's key of that gateway.")
    if key is None:
        try:
            key = (settings.gatehouse_data / "admin.key").read_bytes().decode("utf-8", "replace").strip()
        except FileNotFoundError:
            folder = os.fspath(settings.gatehouse_data)
            raise CommandFailed(
                f"There is no administrator's key in {folder}/admin.key. Start the gateway once (make dev), "
                "name its data folder with GATEHOUSE_DATA, or make the key anew: gatehouse admin-key"
            ) from None
    if not key.isascii():
        raise CommandFailed("The administrator's key is ASCII text; this one is not. Was it copied whole?")
    return AdminClient((url or f"http://127.0.0.1:{settings.port}").rstrip("/"), key)


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
