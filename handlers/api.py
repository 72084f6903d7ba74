"""The admin API as a Lambda function."""

from gateway_core.compose import admin_api
from handlers.control_plane import lambda_handler

handler = lambda_handler(admin_api)
