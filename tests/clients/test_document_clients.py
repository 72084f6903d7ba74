"""SDK clients that are known by a document of their own (Client ID Metadata Documents), and need no registration."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.certificates import Authority
from tests.clients.clients import FAST, Client
from tests.clients.signing_in import Home, House, house
from tests.clients.steps import SAME

pytestmark = pytest.mark.tools

STEPS = [step for step in SAME if step.name == "call"]
CLIENTS = [client for client in FAST if client.name in ("python2-auto", "python1", "typescript1", "typescript2-auto")]


@contextlib.contextmanager
def served_document(authority: Authority) -> Iterator[str]:
    """The web site of a client's maker; gives the URL of the document there."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = {"client_id": url, "client_name": "Weather Desk", "redirect_uris": ["http://127.0.0.1/callback"]}
            body = json.dumps(known).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        url = f"https://localhost:{server.server_port}/oauth/client.json"
        server.socket = authority.serving("localhost").wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        server.shutdown()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.found(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def document(authority: Authority) -> Iterator[str]:
    with served_document(authority) as url:
        yield url


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[House]:
    trusted = authority.folder / "trusted.pem"
    trusted.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    with house(tmp_path_factory.mktemp("documents"), {"SSL_CERT_FILE": str(trusted)}) as running:
        yield running


@pytest.fixture
def home(gate: House, tmp_path: Path) -> Iterator[Home]:
    gate.front.reset()
    with gate.home(tmp_path) as made:
        yield made


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_with_a_document_signs_in_and_the_person_sees_which_site_says_its_name(
    gate: House, home: Home, document: str, client: Client
):
    sign_in = {"folder": str(home.folder / "kept"), "document": document}
    found = client.visit(gate.endpoint(), "", STEPS, sign_in=sign_in, environment=home.opens)

    assert found["call"]["text"] == "This is a simple text response for testing.", found
    (seen,) = home.browser.settle()
    assert seen.asked["client_id"] == document
    site = document.split("/")[2]
    assert f"An app calling itself Weather Desk ; the site {site} says so" in seen.seen[-1]
    assert gate.front.paths("/register") == []
