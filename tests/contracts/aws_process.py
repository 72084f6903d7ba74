"""moto as a process of its own: `python -m tests.contracts.aws_process` prints its port and ends with its input.

What is written to its tables goes into a journal for the canary, where the environment names a folder for that.
"""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


READS = ("GetItem", "BatchGetItem", "Query", "CreateTable", "DescribeTable")


def journalled(app: Callable[..., Any]) -> Callable[..., Any]:
    """WSGI: `app`, with a line in the journal for each write to a table."""
    folder = os.environ.get("CANARY_JOURNALS")
    if not folder:
        return app
    journal = Path(folder) / f"{os.getpid()}.journal"

    def told(environ: dict[str, Any], start: Any) -> Any:
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service.startswith("DynamoDB") and operation not in READS:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            with journal.open("ab") as file:
                file.write(body + b"\n")
        return app(environ, start)

    return told


def main() -> None:
    # One request at a time: moto checks a condition and writes in two steps, between which threads could slip.
    app = journalled(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=MotoRequestHandler)
    print(server.server_port, flush=True)
    Thread(target=end_with_input, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
