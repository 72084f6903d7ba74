"""Signing in, and handing out tokens, as a Lambda function."""

from gateway_core.compose_oauth import oauth_api
from handlers.control_plane import lambda_handler

handler = lambda_handler(oauth_api)
