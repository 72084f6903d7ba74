"""The object graph of the data plane, and the ports that both planes stand on. Imports nothing heavy."""

import asyncio
import json
import os
import random
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from gateway_core.access.identify import Identify
from gateway_core.aws.credentials import credentials_from
from gateway_core.aws.data_keys import KmsDataKeys
from gateway_core.aws.json_api import JsonApi
from gateway_core.aws.keyring import AwsKeyring
from gateway_core.aws.secret_values import SecretValues
from gateway_core.aws.secrets import AwsSecrets
from gateway_core.compose_late import identities, jwt_checks
from gateway_core.egress import Egress, IPNetwork, Policy, read_networks
from gateway_core.errors import Invalid, UpstreamError
from gateway_core.ports import Clock, DataKeys, Keyring, Records, Secrets, Table
from gateway_core.proxy.client_sessions import ClientSessions
from gateway_core.proxy.consent_signals import ConsentSignals
from gateway_core.proxy.exchange import Exchange
from gateway_core.proxy.forwarding import Forwarding
from gateway_core.proxy.holding import Holding
from gateway_core.proxy.legacy_clients import LegacyClients
from gateway_core.proxy.lifecycle import Lifecycle
from gateway_core.proxy.lines.side_streams import SideStreams
from gateway_core.proxy.lines.tool_headers import ToolHeaders
from gateway_core.proxy.listening import Listening
from gateway_core.proxy.mailbox import Mailbox
from gateway_core.proxy.modern_clients import ModernClients
from gateway_core.proxy.openings import Openings
from gateway_core.proxy.request_state import RequestStates
from gateway_core.proxy.sse_clients import SseClients
from gateway_core.proxy.sse_streams import SseStreams
from gateway_core.proxy.switchboard import Switchboard
from gateway_core.registry.directory import Directory
from gateway_core.settings import LOOPBACK_HOSTS, Settings, platform_environment
from gateway_core.storage.dynamo import DynamoTable
from gateway_core.upstream.auth import HeldSecrets, Ways, WithToken
from gateway_core.upstream.client import UpstreamClient
from gateway_core.upstream.eras import Eras
from gateway_core.upstream.identity import Identities, OwnUrl
from gateway_core.upstream.sessions import KeptSessions
from gateway_core.upstream.sse_sessions import SseSessions
from gateway_core.vault import Vault
from gateway_core.web.edge import Edge
from gateway_core.web.mcp import McpApp

KEY_RING: Final = "system/key-ring"
"""Name of the secret that holds the keys which seal sessions and tokens. No `ports.Secrets` name has a slash."""
AWS_CALL_S: Final = 5.0
"""Longest wait for one answer of an AWS service; they take 5 ms."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside, of one deployment."""

    table: Table
    keyring: Keyring
    data_keys: DataKeys
    secrets: Secrets
    records: Records
    clock: Clock
    policy: Policy
    """Where upstream servers may be."""


class StandardOutput:
    """See ports.Records. One JSON object a line: CloudWatch Logs takes it from there."""

    def write(self, record: Mapping[str, Any]) -> None:
        """See ports.Records.write."""
        with suppress(OSError, ValueError):
            sys.stdout.write(json.dumps(record, separators=(",", ":")) + "\n")
            sys.stdout.flush()


def unix_time() -> int:
    """See ports.Clock."""
    return int(time.time())


def data_plane(settings: Settings, world: World | None = None, own_url: OwnUrl | None = None) -> McpApp:
    """The ASGI application of the MCP endpoints. `own_url` is for settings that are not complete yet."""
    world = world or aws_world(settings)
    egress = Egress(world.policy)
    sessions, mailbox = (
        ClientSessions(world.table, world.keyring, world.clock),
        Mailbox(world.table, world.keyring, world.clock),
    )

    async def told_url() -> str:
        return settings.public_url

    forwarding = _forwarding(settings, world, egress, own_url or told_url, sessions, mailbox)
    directory = Directory(world.table)
    identify = Identify(
        world.table, world.clock, directory, settings.public_url, jwt_checks(egress, world.secrets, world.clock)
    )
    streams = SseStreams(identify, directory, forwarding, sessions, mailbox, settings.listen_s)
    exchange = Exchange(
        identify=identify,
        directory=directory,
        sessions=sessions,
        forwarding=forwarding,
        sse_clients=SseClients(streams, forwarding, mailbox, world.keyring, world.records, settings.listen_s),
        records=world.records,
        ask_s=settings.ask_s,
        public_url=settings.public_url,
    )
    return McpApp(exchange, edge(settings, settings.body_limit), world.records, egress.close)


def _forwarding(
    settings: Settings, world: World, egress: Egress, own_url: OwnUrl, sessions: ClientSessions, mailbox: Mailbox
) -> Forwarding:
    """The way to the upstreams, and across the eras."""
    table, clock, listen_s, sealing = world.table, world.clock, settings.listen_s, vault(world)
    callers = identities(table, sealing, clock, own_url)
    ways = Ways(HeldSecrets(world.secrets, clock), _with_token(world, egress, sealing, callers, own_url))
    upstream = UpstreamClient(egress, ways, callers)
    kept = KeptSessions(upstream, table, world.keyring, clock)
    switchboard = Switchboard(upstream, kept, SseSessions(upstream), ToolHeaders(upstream), SideStreams(upstream))
    openings = Openings(switchboard, sessions, listen_s)
    states, listening = RequestStates(world.keyring, clock), Listening(upstream, sessions, listen_s)
    return Forwarding(
        upstream=upstream,
        eras=Eras(upstream, table, clock),
        lifecycle=Lifecycle(upstream, sessions, listen_s),
        legacy_clients=LegacyClients(switchboard, openings, sessions, mailbox, listen_s),
        modern_clients=ModernClients(switchboard, openings, states, Holding(mailbox), listening),
        consent_signals=ConsentSignals(states),
        listen_s=listen_s,
    )


def _with_token(world: World, egress: Egress, sealing: Vault, callers: Identities, own_url: OwnUrl) -> WithToken:
    """See upstream.auth.Ways. What it takes is a tenth of a start, and many deployments have no such server."""

    @cache
    def loaded() -> WithToken:
        from gateway_core.compose_accounts import with_token

        return with_token(world, egress, sealing, callers, own_url)

    return lambda asked, auth: loaded()(asked, auth)


def aws_world(settings: Settings, environment: Mapping[str, str] | None = None) -> World:
    """The ports on AWS."""
    env = platform_environment() if environment is None else environment
    api = json_api(settings, env)
    values = SecretValues(api, kms_key_id=settings.kms_key_id, new_id=_new_id)
    tables: dict[Literal["registry", "grants"], str] = {
        "registry": settings.registry_table,
        "grants": settings.grants_table,
    }
    return World(
        table=DynamoTable(api, tables, unix_time, new_id=_new_id),
        keyring=AwsKeyring(values, name=settings.secrets_prefix + KEY_RING, clock=unix_time, random_bytes=os.urandom),
        data_keys=KmsDataKeys(api, key_id=settings.kms_key_id),
        secrets=AwsSecrets(values, prefix=settings.secrets_prefix, clock=unix_time),
        records=StandardOutput(),
        clock=unix_time,
        policy=policy(settings, forbidden=_lambda_endpoints(env)),
    )


def vault(world: World) -> Vault:
    """What seals the tokens of connected accounts, for one plane."""
    return Vault(world.table, world.data_keys, os.urandom, world.clock)


def policy(settings: Settings, *, forbidden: frozenset[tuple[str, int]] = frozenset()) -> Policy:
    """Where upstream servers may be, as the operator set it. Never at the gateway itself: that would be a loop."""
    own = {("127.0.0.1", settings.port), ("::1", settings.port)} if settings.local else set()
    return Policy(
        loopback=settings.local,
        networks=_networks(settings),
        ports=settings.egress_ports,
        forbidden=forbidden | own,
        own_hosts=frozenset({urlsplit(settings.public_url).netloc.lower()} - {""}),
    )


def _networks(settings: Settings) -> tuple[IPNetwork, ...]:
    try:
        return read_networks(settings.egress_allow)
    except Invalid as problem:
        raise Invalid(f"EGRESS_ALLOW: {problem.message}") from None


def edge(settings: Settings, body_limit: int) -> Edge:
    """The door: which hosts and web pages may come in, as the operator set it."""
    public = urlsplit(settings.public_url)
    own = {f"{public.scheme}://{public.netloc}".lower()} if settings.public_url else set()
    return Edge(
        public_url=settings.public_url,
        body_limit=body_limit,
        origins=frozenset(own | {origin.lower() for origin in settings.allowed_origins}),
        any_origin="*" in settings.allowed_origins,
        hosts=LOOPBACK_HOSTS | {(public.hostname or "").lower()} if settings.local else None,
    )


def json_api(settings: Settings, env: Mapping[str, str]) -> JsonApi:
    """Signed calls over an egress of their own: it reaches the AWS endpoints and nothing else."""
    suffix = "amazonaws.com.cn" if settings.aws_region.startswith("cn-") else "amazonaws.com"
    names = ("dynamodb", "secretsmanager", "kms", "ssm")
    services = [f"https://{name}.{settings.aws_region}.{suffix}" for name in names]
    urls = [settings.aws_endpoint_url] if settings.aws_endpoint_url else services
    urls.append(env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") or "http://169.254.170.2")
    egress = Egress(Policy.for_aws(urls))

    async def send(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        deadline = asyncio.get_running_loop().time() + AWS_CALL_S
        # Egress writes the Host itself, the same one that was signed.
        fields = [(name, value) for name, value in headers.items() if name.lower() != "host"]
        try:
            response = await egress.send(method, url, fields, body, deadline=deadline)
            return response.status, await response.read()
        except UpstreamError as error:
            raise ConnectionError(error.message) from error

    return JsonApi(
        send=send,
        credentials=credentials_from(env, send=send, clock=unix_time),
        region=settings.aws_region,
        clock=unix_time,
        random=random.random,
        endpoint_url=settings.aws_endpoint_url,
    )


def _lambda_endpoints(env: Mapping[str, str]) -> frozenset[tuple[str, int]]:
    """Addresses of the platform that no upstream may have: they give out other callers' events and our credentials."""
    found = {("127.0.0.1", 9001), ("127.0.0.1", 2000), ("127.0.0.1", 2773), ("localhost", 9001)}
    for name in ("AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_METADATA_API", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        place = env.get(name, "")
        parts = urlsplit(place if "://" in place else f"http://{place}")
        if parts.hostname:
            found.add((parts.hostname, parts.port or 80))
    return frozenset(found)


def _new_id() -> str:
    return secrets.token_hex(16)
