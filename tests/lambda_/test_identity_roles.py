"""The keys that say who calls, as the functions compose them, on an AWS that holds each function to its role."""

from typing import Any, Literal

from joserfc import jwt
from joserfc.jwk import KeySet

from gateway_core.compose_lean import aws_world, vault
from gateway_core.settings import read_settings
from gateway_core.upstream import rs256
from gateway_core.upstream.identity_keys import SIGNS_S, IdentityKeys
from tests.flows.upstreams import serving
from tests.lambda_.role import Guarded, Role
from tests.lambda_.test_events import deployment

NOW = 1_800_000_000


async def test_what_one_function_signs_is_verified_with_what_the_other_publishes_each_within_its_role():
    async with deployment() as environment:
        tables: dict[str, Literal["registry", "grants"]] = {
            environment["REGISTRY_TABLE"]: "registry", environment["GRANTS_TABLE"]: "grants",
        }  # fmt: skip
        url, clock = environment["AWS_ENDPOINT_URL"], [NOW]
        mcp, oauth = (Guarded(url, Role.of_template(role), tables) for role in ("McpRole", "OAuthRole"))
        async with serving(mcp) as one, serving(oauth) as other:
            signing, publishing = (_keys(environment, port, clock) for port in (one, other))
            signer = await signing.signer()
            token = rs256.jwt(signer.key, signer.kid, {"sub": "ana"})
            keys = KeySet.import_key_set({"keys": [dict(key) for key in await publishing.public()]})
            assert jwt.decode(token, keys).claims == {"sub": "ana"}
            clock[0] += SIGNS_S
            assert len(await publishing.public()) == 2
        assert mcp.refused == oauth.refused == []
        assert mcp.asked["UpdateItem", "grants"] == 2, "the key of the organisation, and the first one to sign with"
        assert oauth.asked["UpdateItem", "grants"] == 1, "the next one"


def _keys(environment: dict[str, str], port: int, clock: list[int]) -> IdentityKeys:
    given: dict[str, Any] = environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    world = aws_world(read_settings(given), given)
    return IdentityKeys(world.table, vault(world), lambda: clock[0])
