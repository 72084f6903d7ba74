"""moto as a process of its own: `python -m tests.contracts.aws_process` prints its port and ends with its input."""

import os
import sys
from threading import Thread

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    # One request at a time: moto checks a condition and writes in two steps, between which threads could slip.
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=MotoRequestHandler)
    print(server.server_port, flush=True)
    Thread(target=end_with_input, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
