"""The vault as each function composes it, on an AWS that holds the function to its role."""

from typing import Literal

import pytest

from gateway_core.compose_lean import aws_world, unix_time, vault
from gateway_core.settings import read_settings
from gateway_core.storage import keys
from gateway_core.storage.dynamo import DynamoTable
from tests.contracts.aws import json_api, new_id
from tests.contracts.reading import data_of
from tests.flows.upstreams import serving
from tests.lambda_.role import Guarded, Role
from tests.lambda_.test_events import deployment


@pytest.mark.parametrize("role", ["McpRole", "ApiRole", "OAuthRole"])
async def test_every_function_seals_and_opens_under_the_key_of_the_stack_within_its_role(role: str):
    async with deployment() as environment:
        names: dict[Literal["registry", "grants"], str] = {
            "registry": environment["REGISTRY_TABLE"],
            "grants": environment["GRANTS_TABLE"],
        }
        url = environment["AWS_ENDPOINT_URL"]
        guarded = Guarded(url, Role.of_template(role), {name: table for table, name in names.items()})
        async with serving(guarded) as port:
            given = environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
            here, there = (vault(aws_world(read_settings(given), given)) for _ in range(2))
            sealed = await here.seal("w1", b"token", context="row")
            assert await there.open("w1", sealed, context="row") == b"token"
        assert guarded.refused == []
        api = json_api(url, unix_time)
        stored = await data_of(DynamoTable(api, names, unix_time, new_id=new_id), keys.data_key("w1"))
        assert stored is not None
        asked = {"CiphertextBlob": stored["wrapped"], "EncryptionContext": {"gatehouse:place": "w1"}}
        assert (await api.call("kms", "Decrypt", asked))["KeyId"] == environment["KMS_KEY_ID"]
