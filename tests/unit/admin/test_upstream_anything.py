"""Whatever server somebody can write is kept, read and written back without a difference."""

import json
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.admin.drafts import ConfigDraft, ServerDraft
from gateway_core.admin.forwarding_drafts import MAX_RULES
from gateway_core.admin.oauth_fields import MAX_PARAMS
from gateway_core.admin.planning import plan
from gateway_core.admin.state import State, Stored
from gateway_core.registry import servers
from gateway_core.registry.forwarded import CLAIMS
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import MAX_HEADER_VALUE, Granularity

ASCII = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
slugs = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
urls = st.from_regex(r"https://[a-z]{1,9}\.example/[a-z0-9/]{0,12}", fullmatch=True)
references = st.fixed_dictionaries({"secret": slugs})
scopes = st.lists(st.from_regex(r"[!#-\[\]-~]{1,20}", fullmatch=True), max_size=5, unique=True)
header_names = st.from_regex(r"[Xx]-Own-[a-z0-9]{1,8}", fullmatch=True)
values = st.text(ASCII, max_size=MAX_HEADER_VALUE)
asking = {"scopes": scopes, "issuer": urls, "resource_indicator": st.booleans()}
entered: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"client_id": st.text(ASCII, min_size=1, max_size=40)}),
    st.fixed_dictionaries(
        {"client_id": st.text(ASCII, min_size=1, max_size=40), "client_secret": references},
        optional={"token_endpoint_auth_method": st.sampled_from(["client_secret_basic", "client_secret_post"])},
    ),
)
ends: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), st.fixed_dictionaries({"authorization_endpoint": urls, "token_endpoint": urls}),
    st.fixed_dictionaries({"issuer": urls, "token_endpoint": urls}),
)  # fmt: skip


def merged(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda made: {name: value for part in made for name, value in part.items()})


def of_type(type_: str, required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(type_), **required}, optional=optional)


auths = st.one_of(
    of_type("none", {}),
    of_type("headers", {"headers": st.dictionaries(
        header_names.map(str.lower), st.one_of(values, references), min_size=1, max_size=5,
    )}),
    merged(
        of_type(
            "oauth", {}, **asking, granularity=st.sampled_from(get_args(Granularity)), revocation_endpoint=urls,
            authorization_params=st.dictionaries(
                st.from_regex(r"x[A-Za-z0-9._-]{0,9}", fullmatch=True), st.text(ASCII, max_size=20),
                max_size=MAX_PARAMS,
            ),
        ),
        entered, ends,
    ),
    merged(
        of_type("client_credentials", {"client_id": st.text(ASCII, min_size=1)}, **asking, token_endpoint=urls,
                granularity=st.sampled_from(["organisation", "workspace"])),
        st.one_of(st.fixed_dictionaries({"client_secret": references}),
                  st.fixed_dictionaries({"private_key": references})),
    ),
    merged(
        of_type("token_exchange", {"subject": st.just("identity"), "token_endpoint": urls}, **asking,
                audience=st.text(ASCII, min_size=1)),
        entered,
    ),
)  # fmt: skip
passed_names = st.from_regex(r"[Xx]-Passed-[a-z0-9]{1,8}", fullmatch=True)
allowed = st.lists(
    st.one_of(passed_names, st.fixed_dictionaries({"from": passed_names, "to": passed_names})),
    min_size=1, max_size=MAX_RULES,
    unique_by=lambda rule: (rule if isinstance(rule, str) else rule["to"]).lower(),
)  # fmt: skip
forwardings = st.one_of(
    allowed,
    st.fixed_dictionaries(
        {"mode": st.just("all-except"), "headers": st.lists(passed_names, max_size=5, unique_by=str.lower)}
    ),
)
identities = st.fixed_dictionaries(
    {"method": st.sampled_from(["claims_header", "jwt_header"])},
    optional={
        "header": st.from_regex(r"X-Caller-[a-z]{1,5}", fullmatch=True),
        "claims": st.lists(st.sampled_from(CLAIMS), min_size=1),
    },
)
drafts = st.fixed_dictionaries(
    {"slug": st.just("linear"), "url": urls, "auth": auths},
    optional={
        "forward_headers": forwardings,
        "headers": st.dictionaries(st.from_regex(r"X-Plain-[a-z0-9]{1,5}", fullmatch=True), values, max_size=5),
        "identity": identities,
        "timeout_s": st.floats(min_value=0.1, max_value=840),
    },
)


def planned(written: dict[str, Any], state: State) -> list[Server]:
    config = ConfigDraft(servers=[ServerDraft.model_validate(written)])
    changes = plan(config, state, prune=False, check_url=lambda _: None)
    return [change.after for change in changes if isinstance(change.after, Server)]


@settings(max_examples=300, deadline=None)
@given(drafts)
def test_a_server_survives_the_store_and_applying_the_same_file_again_changes_nothing(written: dict[str, Any]):
    (made,) = planned(written, State("Acme", 1, {}, {}))
    kept = servers.from_data(json.loads(json.dumps(servers.to_data(made))))
    assert kept == made
    assert planned(written, State("Acme", 1, {}, {"linear": Stored(kept, 1)})) == []
    # Drafts that the API gets as JSON are the same as those of a file.
    assert ServerDraft.model_validate(json.loads(json.dumps(written))) == ServerDraft.model_validate(written)
