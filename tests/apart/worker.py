"""One data plane as a process of its own, set up by its environment: `python -m tests.apart.worker`.

Unlike `gatehouse dev` it holds no lock on the data folder, so that there can be two.
"""

from dataclasses import replace

import uvicorn

from gateway_core.compose_lean import aws_world, data_plane, unix_time
from gateway_core.egress import Policy
from gateway_core.local.data_folder import DATABASE
from gateway_core.local.server import local_world
from gateway_core.settings import read_settings
from gateway_core.storage.sqlite import SqliteTable


def main() -> None:
    """Serve until told to stop."""
    settings = read_settings()
    if settings.local:
        world = local_world(settings, SqliteTable(settings.gatehouse_data / DATABASE, unix_time))
    else:
        world = replace(aws_world(settings), policy=Policy(loopback=True))
    app = data_plane(settings, world)
    uvicorn.run(
        app, host="127.0.0.1", port=settings.port, lifespan="off", log_level="error", timeout_graceful_shutdown=1
    )


if __name__ == "__main__":
    main()
