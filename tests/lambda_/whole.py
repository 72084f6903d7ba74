"""The MCP function as it is deployed, but for where servers may be: here they are on this machine."""

from dataclasses import replace

from gateway_core.compose_lean import aws_world, data_plane
from gateway_core.egress import Policy
from gateway_core.settings import read_settings

_settings = read_settings()
app = data_plane(_settings, replace(aws_world(_settings), policy=Policy(loopback=True)))
