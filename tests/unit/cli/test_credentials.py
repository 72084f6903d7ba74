"""The file of logins: private, whole at every moment, and nothing lost where several write."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway_core.cli.credentials import Credentials, Login
from gateway_core.cli.failing import CommandFailed
from gateway_core.settings import config_folder

LOGIN = Login("ana@acme.dev", "gha_secret", "ghr_secret", 1)


def test_logins_of_many_gateways_written_at_the_same_time_are_all_there(tmp_path: Path):
    def log_in(number: int) -> None:
        credentials = Credentials(tmp_path / "gatehouse")
        with credentials.locked():
            credentials.put(f"https://gateway-{number}.example.com", LOGIN)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(log_in, range(64)))
    credentials = Credentials(tmp_path / "gatehouse")
    assert all(credentials.get(f"https://gateway-{number}.example.com") == LOGIN for number in range(64))
    assert credentials.get("https://other.example.com") is None


def test_the_file_is_private_from_its_first_byte_on_whatever_lay_there(tmp_path: Path):
    (tmp_path / "credentials.json.unfinished").write_text("left behind")
    credentials = Credentials(tmp_path)
    with credentials.locked():
        credentials.put("https://a.example.com", LOGIN)
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["credentials.json", "credentials.lock"]
    with credentials.locked():
        credentials.forget("https://a.example.com")
    assert json.loads((tmp_path / "credentials.json").read_text()) == {"logins": {}}


def test_a_login_does_not_show_its_tokens():
    assert "secret" not in repr(LOGIN)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"XDG_CONFIG_HOME": "/x", "HOME": "/home/ana"}, "/x/gatehouse"),
        ({"HOME": "/home/ana"}, "/home/ana/.config/gatehouse"),
        ({"XDG_CONFIG_HOME": "", "HOME": "/home/ana"}, "/home/ana/.config/gatehouse"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/home/ana"}, "/home/ana/.config/gatehouse"),
    ],
)
def test_logins_are_kept_where_the_users_own_configuration_is(environment: dict[str, str], folder: str):
    assert config_folder(environment) == Path(folder)


def kept(**changed: object) -> str:
    """A file with one login, some of it otherwise."""
    login = {"name": "ana@acme.dev", "access_token": "gha_x", "refresh_token": "ghr_x", "expires_at": 1, **changed}
    return json.dumps({"logins": {"https://a.example.com": login}})


ODD = {
    "an end in words": kept(expires_at="x"),
    "no end": kept(expires_at=None),
    "an end that is true": kept(expires_at=True),
    "half a second": kept(expires_at=1.5),
    "a token that is a number": kept(access_token=1),
    "a token that no header holds": kept(access_token="\u00e9\n"),
    "no token": kept(refresh_token=""),
    "a name that is a list": kept(name=[]),
    "one that ended, without why": '{"logins": {}, "ended": {"https://g.example": {"name": "ana"}}}',
    "a list of those that ended": '{"logins": {}, "ended": []}',
    "nested without end": "[" * 100_000,
    "no text": "\udcff",
}


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_another_form_is_told_with_what_to_do(tmp_path: Path, name: str):
    (tmp_path / "credentials.json").write_text(ODD[name], errors="surrogateescape")
    with pytest.raises(CommandFailed, match="Delete it, and log in again"):
        Credentials(tmp_path).get("https://other.example.com")


def test_a_login_that_ended_is_remembered_until_the_next_one_or_until_it_is_forgotten(tmp_path: Path):
    credentials, url = Credentials(tmp_path), "https://a.example.com"
    for after in (lambda: credentials.put(url, LOGIN), lambda: credentials.forget(url)):
        credentials.put(url, LOGIN)
        credentials.end(url, why="Revoked.")
        assert (credentials.get(url), credentials.ended(url)) == (None, (LOGIN.name, "Revoked."))
        # A second command that finds it ended knows no more, and takes nothing away.
        credentials.put("https://b.example.com", LOGIN)
        assert credentials.ended(url) == (LOGIN.name, "Revoked.")
        after()
        assert credentials.ended(url) is None
