"""The one door for outbound HTTP: every address vetted and pinned, every answer bounded.

Never follows a redirect, never reads proxy settings, never writes a request twice.
"""

from gateway_core.egress.client import MAX_BYTES, Egress
from gateway_core.egress.dial import NotReached
from gateway_core.egress.policy import IPAddress, IPNetwork, Origin, Policy, read_networks
from gateway_core.egress.requests import check_header
from gateway_core.egress.response import Response
from gateway_core.egress.targets import Target, check_url, names_loopback, parse_url

__all__ = [
    "MAX_BYTES",
    "Egress",
    "IPAddress",
    "IPNetwork",
    "NotReached",
    "Origin",
    "Policy",
    "Response",
    "Target",
    "check_header",
    "check_url",
    "names_loopback",
    "parse_url",
    "read_networks",
]
