"""The sign-in function in the network of `inward`."""

from gateway_core.compose_oauth import oauth_api
from handlers.control_plane import lambda_handler
from tests.lambda_ import inward

inward.lead()
handler = lambda_handler(oauth_api)
