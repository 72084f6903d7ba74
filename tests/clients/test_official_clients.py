"""Official SDK clients through the gateway: each script is what a user of that SDK would write."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway_process import Gateway, gateway
from tests.processes import conformance_server
from tests.programs import mcp1_python, node, npm_folder, own_python

pytestmark = pytest.mark.tools

HERE = Path(__file__).parent
LIMIT_S = 60

LIVE_S = 0.07
"""The tool pauses for 0.15 s between its first report and its answer; a gateway that held reports back shows none."""


@dataclass(frozen=True)
class Client:
    """One official client and how to start it."""

    name: str
    protocol: str
    script: str
    refusal: str
    """What its user reads when the key is no longer good. The SDK decides how much of our answer comes through."""
    mode: str = ""

    def visit(self, url: str, key: str) -> dict:
        """Run the script against `url`; gives what it found, or `{"error": …}`."""
        environment = {**os.environ, "MCP_URL": url, "MCP_KEY": key, "MCP_MODE": self.mode}
        if self.script.endswith(".mjs"):
            environment["NPM_FOLDER"] = str(npm_folder("typescript"))
            program = node()
        else:
            program = mcp1_python() if self.script == "python1.py" else own_python()
        done = subprocess.run(
            [program, HERE / self.script], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


REVOKED = "This API key was revoked"

CLIENTS = [
    Client("python-2-auto", "2026-07-28", "python2.py", REVOKED, "auto"),
    Client("python-2-legacy", "2025-11-25", "python2.py", REVOKED, "legacy"),
    Client("python-2-modern", "2026-07-28", "python2.py", REVOKED, "2026-07-28"),
    # This SDK shows nothing of the body of an HTTP error.
    Client("python-1", "2025-11-25", "python1.py", "401 Unauthorized"),
    Client("typescript-1", "2025-11-25", "typescript/visit.mjs", REVOKED),
]

every_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A gateway with the conformance server behind it: the gateway and the MCP address."""
    folder = tmp_path_factory.mktemp("clients")
    with conformance_server(folder) as upstream, gateway(folder) as gate:
        yield gate, gate.serve("conformance", upstream)


@every_client
def test_an_official_client_works_through_the_gateway_as_it_does_directly(place: tuple[Gateway, str], client: Client):
    gate, url = place
    found = client.visit(url, gate.key())

    assert "error" not in found, found["error"]
    assert found["protocol"] == client.protocol
    assert {"test_simple_text", "test_x_mcp_header", "json_schema_2020_12_tool"} <= set(found["tools"])
    assert found["text"] == "This is a simple text response for testing."
    assert found["resource"] == "This is the content of the static text resource."
    assert found["prompt"] == "Prompt with arguments: arg1='a', arg2='b'"

    assert [done for done, _ in found["progress"]] == [0, 50, 100]
    assert found["finished"] - found["progress"][0][1] > LIVE_S, "progress came together with the result"

    modern = client.protocol >= "2026"
    assert found["asked"] == ["What is your name?" if modern else "Who are you?"]
    assert ("Hello, Ana!" if modern else "action=accept") in found["answered"]


@every_client
def test_a_key_for_other_servers_is_refused_in_words_that_reach_the_user(place: tuple[Gateway, str], client: Client):
    gate, url = place
    gate.serve("other", "https://mcp.example.com/mcp")
    key = gate.gatehouse("keys", "create", "--workspace", "test", "--user", "a@b.c", "--server", "other", "--quiet")
    found = client.visit(url, key)

    assert "limited to other servers of Test" in found["error"], found


@every_client
def test_a_revoked_key_is_refused_in_the_words_that_the_client_shows_its_user(
    place: tuple[Gateway, str], client: Client
):
    gate, url = place
    key = gate.key("leaver")
    gate.gatehouse("keys", "revoke", key)
    found = client.visit(url, key)

    assert client.refusal in found["error"], found
