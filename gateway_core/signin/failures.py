"""Sign-ins that failed, in the log: why, and whose they were where that is known. Never what somebody sent."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from gateway_core.errors import SignInFailed

logger = logging.getLogger(__name__)


@contextmanager
def logged() -> Iterator[dict[str, str]]:
    """Log what fails within as `sign_in_failed`. What it yields takes ids for the line, as they become known."""
    fields: dict[str, str] = {}
    try:
        yield fields
    except SignInFailed as problem:
        logger.info("sign_in_failed", extra={"fields": {"reason": problem.reason, **fields}})
        raise
