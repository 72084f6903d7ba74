"""The MCP function in the network of `inward`: as it is deployed, and with nothing that keeps it from anywhere."""

from dataclasses import replace

from gateway_core.compose_lean import aws_world, data_plane
from gateway_core.compose_stack import settled_data_plane
from gateway_core.egress import Policy
from gateway_core.settings import read_settings
from tests.lambda_ import inward

inward.lead()
_settings = read_settings()
walled = settled_data_plane(_settings)
unwalled = data_plane(_settings, replace(aws_world(_settings), policy=Policy(loopback=True)))
