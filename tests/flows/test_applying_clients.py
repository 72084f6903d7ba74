"""`clients` in the configuration file: what it takes, what it refuses, and how it is changed and taken back."""

import pytest
from pydantic import ValidationError

from gateway_core.admin import applying, planning
from gateway_core.admin.client_drafts import MAX_HOSTS
from gateway_core.admin.drafts import ConfigDraft
from gateway_core.cli.clients import list_clients
from gateway_core.errors import Conflict
from gateway_core.registry import client_policy
from gateway_core.registry.client_policy import ClientPolicy
from tests.flows.actors import admin_key, ask
from tests.flows.gateways import gateway
from tests.flows.strange import strange_gateway
from tests.flows.test_applying import changes
from tests.flows.upstreams import Json


async def test_the_policy_is_planned_applied_changed_and_taken_back(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        hosts: Json = {"clients": {"metadata_documents": ["claude.ai", "chatgpt.com"], "dynamic_registration": "false"}}
        assert await changes(gw, {"clients": {}}) == []
        assert await changes(gw, hosts) == ["update clients policy metadata_documents,dynamic_registration"]
        assert await client_policy.read(gw.table) == ClientPolicy(("chatgpt.com", "claude.ai"), False)
        assert await changes(gw, hosts) == []
        again = {"metadata_documents": ["ChatGPT.com:443", "claude.ai", "claude.ai"], "dynamic_registration": "false"}
        assert await changes(gw, {"clients": again}) == []
        # A section is the whole policy: what it leaves out is as if nobody had said.
        assert await changes(gw, {"clients": {"metadata_documents": "known"}}) == [
            "update clients policy metadata_documents,dynamic_registration"
        ]
        assert await client_policy.read(gw.table) == ClientPolicy("known")
        assert await changes(gw, {"clients": {}}) == ["update clients policy metadata_documents"]
        assert await client_policy.read(gw.table) == ClientPolicy()


async def test_whoever_may_see_the_clients_reads_the_policy_back_as_it_was_written(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        asked = (await ask(gw, key, "GET", "/clients")).json()
        assert asked == {"clients": [], "policy": {"metadata_documents": "any", "dynamic_registration": True}}
        for written in (
            {"metadata_documents": "known", "dynamic_registration": False},
            {"metadata_documents": ["chatgpt.com", "claude.ai"], "dynamic_registration": True},
        ):
            await gw.apply({"clients": written})
            assert (await ask(gw, key, "GET", "/clients")).json()["policy"] == written


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (ClientPolicy(), "of any site; apps that register themselves are let in."),
        (ClientPolicy("known"), "of a site that the gateway knows; apps that register themselves are let in."),
        (ClientPolicy("none", False), "of no site; apps that register themselves are not let in."),
        (ClientPolicy(("a.example", "b.example")), "of a.example, b.example; apps that register themselves are"),
    ],
)
def test_the_command_line_says_which_clients_are_let_in_besides_those_that_were_entered(capsys, policy, words):
    with strange_gateway() as strange:
        strange.says["/api/v1/clients"] = {"clients": [], "policy": client_policy.to_data(policy)}
        list_clients(url=strange.url, key="x")
    assert f"Besides these: apps with a metadata document {words}" in capsys.readouterr().out


async def test_a_file_without_the_section_leaves_the_policy_as_it_is_pruned_or_not(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        await gw.apply({"clients": {"metadata_documents": "none"}})
        assert await changes(gw, {"organisation": "Acme"}) == ["update organisation Acme name"]
        assert await changes(gw, {}, prune=True) == ["delete workspace research", "delete workspace sales"]
        assert await client_policy.read(gw.table) == ClientPolicy("none")


async def test_two_administrators_at_once_do_not_undo_each_others_policy(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        for earlier, later in (("none", "known"), ("any", "known")):
            state = await gw.admin.state()
            wanted = ConfigDraft.model_validate({"clients": {"metadata_documents": later}})
            late = planning.plan(wanted, state, prune=False, check_url=str)
            await gw.apply({"clients": {"metadata_documents": earlier}})
            with pytest.raises(Conflict, match="Run the same command again"):
                await applying.carry_out(gw.table, late, state)
            assert (await client_policy.read(gw.table)).metadata_documents == earlier


BAD: dict[str, tuple[Json, tuple[object, ...], str]] = {
    "another word": ({"metadata_documents": "all"}, ("metadata_documents",), "write any, known, none, or a list of"),
    "a host that is no list": ({"metadata_documents": "claude.ai"}, ("metadata_documents",), "like [claude.ai]"),
    "no host": ({"metadata_documents": []}, ("metadata_documents",), "write none to take no metadata document"),
    "too many hosts": (
        {"metadata_documents": [f"h{n}.example" for n in range(MAX_HOSTS + 1)]}, ("metadata_documents",),
        "at most 100 items",
    ),
    "neither yes nor no": ({"dynamic_registration": "perhaps"}, ("dynamic_registration",), "valid boolean"),
    "another field": ({"dynamic": "false"}, ("dynamic",), "unknown field 'dynamic'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_nobody_can_mean_is_refused_beside_its_field(name):
    wrong, place, words = BAD[name]
    with pytest.raises(ValidationError, match=words.replace("[", r"\[")) as problem:
        ConfigDraft.model_validate({"clients": wrong})
    assert problem.value.errors()[0]["loc"][: 1 + len(place)] == ("clients", *place)


@pytest.mark.parametrize(
    "entry",
    [
        "https://claude.ai", "claude.ai/oauth", "claude.ai/", "*.claude.ai", "*", ".claude.ai", "claude.ai.", "",
        "user@claude.ai", "claude.ai?", "claude.ai#x", "claude.ai:", "claude.ai:0", "claude.ai:65536", "claude ai",
        "claude.ai\n", "127.0.0.1", "[::1]", "bücher.example", "x" * 64, "a." * 300,
    ],
)  # fmt: skip
async def test_an_entry_that_is_no_host_is_named_with_what_to_write_and_nothing_is_changed(tmp_path, entry):
    async with gateway(tmp_path, {}) as gw:
        body = {"config": {"organisation": "Changed", "clients": {"metadata_documents": ["chatgpt.com", entry]}}}
        answer = await gw.post("/api/v1/apply", body, await gw.admin.secrets.get("admin-key"))
        assert answer.status_code == 422
        (told,) = answer.json()["problems"]
        assert [step for step in told["path"] if step != "hosts"] == ["config", "clients", "metadata_documents", 1]
        assert f"{entry[:80]!r} is no host: write the name alone, like claude.ai" in told["message"]
        assert (await gw.admin.state()).organisation != "Changed"


async def test_as_many_hosts_as_may_be_named_are_kept(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        hosts = [f"h{n}.example:8443" for n in range(MAX_HOSTS)]
        await gw.apply({"clients": {"metadata_documents": hosts}})
        assert (await client_policy.read(gw.table)).metadata_documents == tuple(sorted(hosts))
