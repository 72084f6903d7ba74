"""Settings that the stack can say only when it is complete: the gateway's URL follows from the API, which follows from
the functions. The stack writes them into one SSM parameter; here they are read."""

import json
from typing import Final

from gateway_core.aws.json_api import JsonApi
from gateway_core.aws.sending import AwsError
from gateway_core.errors import StoreUnavailable

NAMES: Final = frozenset({"PUBLIC_URL", "OIDC_ISSUER", "OIDC_CLIENT_ID"})
"""What may stand in it, under the names that the environment has for it. Whoever can write the parameter can say where
people are sent to sign in, and nothing else."""


async def read_parameter(api: JsonApi, name: str) -> dict[str, str]:
    """The settings in the SSM parameter `name`.

    Raises:
        StoreUnavailable: It cannot be read, or holds something else. The message never quotes it.
    """
    try:
        answer = await api.call("ssm", "GetParameter", {"Name": name})
        found = json.loads(answer["Parameter"]["Value"])
    except AwsError as error:
        raise StoreUnavailable(f"The SSM parameter {name} could not be read ({error.code}).") from error
    except (ValueError, KeyError, TypeError):
        raise StoreUnavailable(f"The SSM parameter {name} is not the JSON object that the stack writes.") from None
    if not isinstance(found, dict) or not found.keys() <= NAMES or not all(isinstance(v, str) for v in found.values()):
        raise StoreUnavailable(f"The SSM parameter {name} holds something else than {', '.join(sorted(NAMES))}.")
    return found
