"""The MCP endpoints as a Lambda function, under the streaming loop of `handlers.runtime`."""

from gateway_core.compose_lean import data_plane
from gateway_core.settings import read_settings

app = data_plane(read_settings())
