"""The gateway on one machine, as its user runs it: started, killed, started twice, upgraded, backed up, restored."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway_core.access.throttle import SETUP
from tests.canary.watch import WATCH
from tests.processes import free_port

ROOT = Path(__file__).parents[2]
GATEHOUSE = [sys.executable, "-m", "gateway_core.cli"]


class Machine:
    """A machine with a data folder and a port."""

    def __init__(self, folder: Path) -> None:
        self.data, self.port = folder / "data", free_port()
        self.log = folder / "log"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PORT": str(self.port), "GATEHOUSE_DATA": str(self.data)}

    def start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("wb") as log:
            command = [*GATEHOUSE, "dev"]
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while self.get("/healthz") != 200:
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return process

    @contextmanager
    def running(self) -> "Iterator[subprocess.Popen[bytes]]":
        process = self.start()
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(15)

    def run(self, *arguments: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [*GATEHOUSE, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, input=given
        )
        WATCH.hear_command(arguments, done.stdout + done.stderr)
        return done

    def get(self, path: str, headers: "dict[str, str] | None" = None) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def echo(self, said: str) -> str:
        """What the demo server gives back through the gateway."""
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "echo", "arguments": {"text": said}},
        }
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        body["params"]["_meta"] = meta | {"io.modelcontextprotocol/clientCapabilities": {}}  # type: ignore[index]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/demo/mcp",
            json.dumps(body).encode(),
            {
                "authorization": f"Bearer {(self.data / 'demo.key').read_text().strip()}",
                "content-type": "application/json",
                "mcp-protocol-version": "2026-07-28",
                "mcp-method": "tools/call",
                "mcp-name": "echo",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["result"]["structuredContent"]["result"])


def test_a_first_start_prints_all_that_a_client_needs_and_keeps_its_keys_private(tmp_path):
    machine = Machine(tmp_path)
    with machine.running() as process:
        assert machine.echo("hello") == "hello"
        told = machine.log.read_text()
        key = (machine.data / "demo.key").read_text().strip()
        url = f"http://127.0.0.1:{machine.port}/demo-team/demo/mcp"
        assert f'claude mcp add --transport http demo {url} --header "Authorization: Bearer {key}"' in told
        assert f"  claude mcp add --transport http demo {url}\n" in told
        link = f"http://127.0.0.1:{machine.port}/oauth/setup?token=ghs_"
        assert told.count(link) == 1
        assert machine.get("/oauth/setup?token=" + told.partition("/oauth/setup?token=")[2].split()[0]) == 200
        assert machine.log.read_text().count("ghs_") == 1
        for name in ("admin.key", "demo.key", "sealing.key", "gatehouse.db"):
            assert stat.S_IMODE((machine.data / name).stat().st_mode) == 0o600, name
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    assert "Traceback" not in machine.log.read_text()


def test_everything_is_still_there_after_kill_9(tmp_path):
    machine = Machine(tmp_path)
    process = machine.start()
    made = machine.run("keys", "create", "--workspace", "demo-team", "--service", "ci", "--quiet")
    assert made.returncode == 0, made.stderr
    user = ("--user", "ana@acme.dev", "--server", "demo", "--expires", "90d")
    assert machine.run("keys", "create", "--workspace", "demo-team", *user).returncode == 0
    key = (machine.data / "demo.key").read_text()
    process.kill()
    process.wait()
    with machine.running():
        assert machine.echo("still here") == "still here"
        assert (machine.data / "demo.key").read_text() == key
        listed = [line.split() for line in machine.run("keys", "list").stdout.splitlines()]
        assert ["demo-team", "service:ci", "all", "active"] in [[*line[1:4], *line[5:]] for line in listed]
        assert ["demo-team", "user:ana@acme.dev", "demo", "until"] in [[*line[1:4], *line[5:6]] for line in listed]


def test_a_second_gateway_on_the_same_folder_or_port_says_so_and_harms_nothing(tmp_path):
    machine, other = Machine(tmp_path), Machine(tmp_path / "other")
    with machine.running() as process:
        other.data = machine.data
        same_folder = other.run("dev")
        assert same_folder.returncode == 1
        here = f"on the data folder {machine.data} at http://127.0.0.1:{machine.port} (process {process.pid}). Use that"
        assert f"A gateway already runs {here}" in same_folder.stderr
        # A port that is free is left as it was asked for; that of the running gateway gives way.
        beside = f"another folder and another port: GATEHOUSE_DATA={machine.data}-2 PORT="
        assert f"{beside}{other.port} make dev" in same_folder.stderr
        assert f"{beside}{machine.port + 1} make dev" in machine.run("dev").stderr
        other = Machine(tmp_path / "other")
        other.port = machine.port
        same_port = other.run("dev")
        assert same_port.returncode == 1
        assert f"Port {machine.port} on 127.0.0.1 cannot be used: Address already in use." in same_port.stderr
        assert f"PORT={machine.port + 1} make dev" in same_port.stderr
        assert machine.echo("unharmed") == "unharmed"


def test_a_data_folder_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    machine = Machine(tmp_path)
    with machine.running():
        pass
    with closing(sqlite3.connect(machine.data / "gatehouse.db")) as database:
        database.execute("PRAGMA user_version = 99")
    before = (machine.data / "gatehouse.db").read_bytes()
    refused = machine.run("dev")
    assert refused.returncode == 1
    assert "has version 99, and this Gatehouse knows versions up to 2." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (machine.data / "gatehouse.db").read_bytes() == before


def test_a_backup_of_a_running_gateway_is_restored_into_the_running_gateway(tmp_path):
    machine, archive = Machine(tmp_path), tmp_path / "backup.tar.gz"
    with machine.running():
        kept = machine.run("keys", "create", "--workspace", "demo-team", "--service", "kept", "--quiet").stdout.strip()
        assert machine.run("secrets", "set", "token", given="value-1\n").returncode == 0
        key_id = kept.split("_")[2]
        stray = machine.run("secrets", "delete", f"../keys/{key_id}")
        assert stray.returncode == 1
        assert "revoked" not in machine.run("keys", "list").stdout
        assert machine.run("backup", str(archive)).returncode == 0
        assert stat.S_IMODE(archive.stat().st_mode) == 0o600
        machine.run("keys", "create", "--workspace", "demo-team", "--service", "later")
        assert machine.run("keys", "revoke", kept).returncode == 0
        restored = machine.run("restore", str(archive))
        assert restored.returncode == 0, restored.stderr
        assert "What was there before is in" in restored.stdout
        listed = machine.run("keys", "list").stdout
        assert "service:later" not in listed
        assert "revoked" not in listed
        assert machine.echo("restored") == "restored"
        again = machine.run("backup", str(archive))
        assert again.returncode == 1
        assert f"{archive} exists already." in again.stderr
        refused = machine.run("restore", str(machine.log))
        assert refused.returncode == 1
        assert "cannot be read as a backup" in refused.stderr
        assert machine.echo("still") == "still"


def test_a_backup_starts_a_gateway_on_another_machine(tmp_path):
    machine, elsewhere, archive = Machine(tmp_path), Machine(tmp_path / "elsewhere"), tmp_path / "backup.tar.gz"
    elsewhere.log.parent.mkdir()
    with machine.running():
        machine.run("secrets", "set", "token", given="value-1")
        machine.run("backup", str(archive))
    assert elsewhere.run("restore", str(archive)).returncode == 0
    with elsewhere.running():
        assert elsewhere.echo("moved") == "moved"
        assert "token" in elsewhere.run("secrets", "list").stdout


def test_a_lost_administrators_key_is_made_anew_and_the_old_one_stops_working(tmp_path):
    machine = Machine(tmp_path)
    with machine.running():
        old = (machine.data / "admin.key").read_text().strip()
        (machine.data / "admin.key").unlink()
        lost = machine.run("keys", "list")
        assert lost.returncode == 1
        assert "If the key alone is lost, make it anew: gatehouse admin-key" in lost.stderr
        assert machine.run("admin-key").returncode == 0
        assert stat.S_IMODE((machine.data / "admin.key").stat().st_mode) == 0o600
        assert machine.run("keys", "list").returncode == 0
        refused = machine.run("keys", "list", "--url", f"http://127.0.0.1:{machine.port}", "--key", old)
        assert refused.returncode == 1
        assert "This needs the administrator's key" in refused.stderr


def test_the_command_line_says_what_to_do_when_no_gateway_runs(tmp_path):
    machine = Machine(tmp_path)
    no_key = machine.run("keys", "list")
    assert no_key.returncode == 1
    assert "Start the gateway once (make dev)" in no_key.stderr
    machine.data.mkdir()
    (machine.data / "admin.key").write_text("x")
    nobody = machine.run("keys", "list")
    assert nobody.returncode == 1
    assert f"No gateway answers at http://127.0.0.1:{machine.port}." in nobody.stderr
    assert "A gateway at another port or address is named by PORT, or by --url." in nobody.stderr
    wrong = machine.run("apply", "-f", "nowhere.yaml")
    assert wrong.returncode == 1
    assert "nowhere.yaml cannot be read" in wrong.stderr


def test_a_mistake_in_the_file_is_told_with_its_line_and_the_same_file_mended_is_applied_once(tmp_path):
    machine, file = Machine(tmp_path), tmp_path / "gatehouse.yaml"
    good = "workspaces:\n  - {slug: research}\nservers:\n  - slug: linear\n    url: https://mcp.example.com/mcp\n"
    good += "    workspaces: [research]\n"
    with machine.running():
        file.write_text(good.replace("[research]", "[reserch]").replace("url:", "adress: x\n    url:"))
        refused = machine.run("apply", "-f", str(file))
        assert refused.returncode == 1
        assert f"{file}:5: servers[0].adress: unknown field 'adress'" in refused.stderr
        file.write_text("servers: [")
        refused = machine.run("apply", "-f", str(file))
        assert ": this is not YAML: " in refused.stderr
        assert refused.stderr.endswith("\nNothing was changed.\n")
        file.write_text(good.replace("[research]", "[reserch]").replace("url:", "adress: x\n    url:"))
        refused = machine.run("apply", "-f", str(file))
        assert "Nothing was changed." in refused.stderr
        file.write_text(good.replace("[research]", "[reserch]"))
        refused = machine.run("apply", "-f", str(file))
        assert f"{file}:6: servers[0].workspaces[0]: there is no workspace 'reserch'" in refused.stderr
        file.write_text(good)
        assert machine.run("apply", "-f", str(file)).stdout == "created workspace research\ncreated server linear\n"
        assert machine.run("apply", "-f", str(file)).stdout == "Nothing to change.\n"
        pruned = machine.run("apply", "-f", str(file), "--prune").stdout
        assert pruned == "deleted server demo\ndeleted workspace demo-team\n"


def test_tries_are_counted_by_the_address_they_come_from_whatever_a_header_says(tmp_path):
    machine = Machine(tmp_path)
    with machine.running():
        told = []
        for n in range(SETUP.times + 1):
            forged = {"x-forwarded-for": f"203.0.113.{n}", "forwarded": f"for=192.0.2.{n}"}
            told.append(machine.get(f"/oauth/setup?token=guess-{n}", forged))
        assert told == [403] * SETUP.times + [429]
