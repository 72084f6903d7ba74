"""The MCP endpoints as a Lambda function, under the streaming loop of `handlers.runtime`."""

from gateway_core.compose_stack import settled_data_plane
from gateway_core.settings import read_settings
from gateway_core.telemetry import write_logs

_settings = read_settings()
write_logs(_settings.log_level)
app = settled_data_plane(_settings)
