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
        if problem.member_id is not None:
            fields["member"] = problem.member_id
        logger.info("sign_in_failed", extra={"fields": {"reason": problem.reason, **fields}})
        raise


def of(member_id: str, problem: SignInFailed) -> SignInFailed:
    """The same failure, of somebody who tried to come in as that member."""
    problem.member_id = member_id
    return problem
