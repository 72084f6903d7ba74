"""The log of an operator: who came in, who did not and why, and who changed what others may do. Never a secret."""

import json
import logging
from typing import Any

import pytest

from gateway_core.errors import SignInFailed
from gateway_core.signin.cookies import cookie_name
from gateway_core.telemetry import JsonLines
from tests.flows.actors import admin_key, ask, granted, joined
from tests.flows.browsers import PASSWORD, PUBLIC, Browser
from tests.flows.gateways import gateway
from tests.flows.signing_in import with_provider
from tests.oidc import ANA

EVENTS = {
    "signed_in", "sign_in_failed", "first_owner", "member_invited", "invitation_made", "invitation_accepted",
    "roles_changed", "member_removed", "member_unlinked", "client_entered", "client_removed",
}  # fmt: skip


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def told(log: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The security events since the last look, as they are written, without what every line has."""
    lines = [json.loads(JsonLines().format(record)) for record in log.records if record.getMessage() in EVENTS]
    log.clear()
    return [{k: v for k, v in line.items() if k not in ("type", "time", "level", "logger")} for line in lines]


def written(log: pytest.LogCaptureFixture) -> str:
    """Everything that the gateway itself has logged since the last look."""
    ours = [record for record in log.records if record.name.startswith("gateway_core")]
    return "\n".join(map(JsonLines().format, ours))


async def test_coming_in_with_a_password_and_failing_to_is_one_line_each_without_what_was_sent(tmp_path, log):
    async with gateway(tmp_path, {}) as gw:
        ana, link = Browser(gw.front), await gw.oauth.setup_link() or ""
        page = await ana.open(link)
        await ana.submit(page, "/oauth/setup", name="Ana", email="ana@acme.dev", password=PASSWORD)
        seen, member = written(log), await gw.admin.people.by_email("ana@acme.dev")
        assert member is not None
        assert told(log) == [{"event": "first_owner", "member": member.id}, {"event": "signed_in", "member": member.id}]
        eve = Browser(gw.front)
        page = await eve.open("/oauth/signin")
        for email in ("ana@acme.dev", "nobody@acme.dev"):
            await eve.submit(page, "/oauth/signin", email=email, password="not this sentence")
        seen += written(log)
        assert told(log) == [
            {"event": "sign_in_failed", "reason": "wrong_password", "member": member.id},
            {"event": "sign_in_failed", "reason": "wrong_password"},
        ]
        await eve.submit(page, "/oauth/signin", email="ana@acme.dev", password=PASSWORD)
        seen += written(log)
        assert told(log) == [{"event": "signed_in", "member": member.id}]
        for secret in (PASSWORD, "not this sentence", link.partition("=")[2], eve.http.cookies[cookie_name(PUBLIC)]):
            assert secret not in seen
        await ana.close()
        await eve.close()


async def test_an_invitation_is_a_line_when_it_is_made_and_when_it_is_accepted(tmp_path, log):
    async with gateway(tmp_path, {}) as gw:
        owner = await joined(gw, "ana@acme.dev", "owner")
        _, token = await granted(gw, owner.id)
        made = (await ask(gw, token, "POST", "/members", {"email": "ben@acme.dev"})).json()
        about = {"actor": owner.id, "member": made["id"]}
        assert told(log) == [{"event": "member_invited", **about}, {"event": "invitation_made", **about}]
        ben = Browser(gw.front)
        page = await ben.open(made["link"])
        await ben.submit(page, "/oauth/join", name="Ben", password=PASSWORD)
        assert [line["event"] for line in told(log)] == ["invitation_accepted", "signed_in"]
        with pytest.raises(SignInFailed):
            await gw.oauth.desk.sign_in.invitations.accept(made["link"], name="Eve", password=PASSWORD)
        assert told(log) == [{"event": "sign_in_failed", "reason": "invitation_unknown"}]
        await ben.close()


async def test_changes_of_roles_and_removals_name_who_did_it_and_to_whom(tmp_path, log):
    async with gateway(tmp_path, {}) as gw:
        key, ben = await admin_key(gw), await joined(gw, "ben@acme.dev")
        about = {"actor": "administrator", "member": ben.id}
        await ask(gw, key, "PATCH", f"/members/{ben.id}", {"organisation": "auditor"})
        await ask(gw, key, "POST", "/members", {"email": "ben@acme.dev", "workspaces": {"research": "member"}})
        first, second = told(log)
        assert first == {
            "event": "roles_changed",
            **about,
            "was": {"organisation": "member", "workspaces": {}},
            "now": {"organisation": "auditor", "workspaces": {}},
        }
        assert list(second["now"]["workspaces"].values()) == ["member"]
        await gw.new_key("sales", kind="user", subject="ben@acme.dev")
        assert [(line["event"], line["member"]) for line in told(log)] == [("roles_changed", ben.id)]
        await ask(gw, key, "POST", f"/members/{ben.id}/unlink")
        await ask(gw, key, "DELETE", f"/members/{ben.id}")
        assert told(log) == [{"event": "member_unlinked", **about}, {"event": "member_removed", **about}]


async def test_a_client_is_a_line_when_it_is_entered_and_when_it_is_removed(tmp_path, log):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        body = {"name": "Desk", "redirect_uris": ["https://desk.example/cb"], "auth_method": "client_secret_post"}
        made = (await ask(gw, key, "POST", "/clients", body)).json()
        assert (await ask(gw, key, "DELETE", f"/clients/{made['id']}")).status_code == 204
        assert made["secret"] not in written(log)
        about = {"actor": "administrator", "client": made["id"]}
        assert told(log) == [{"event": "client_entered", **about}, {"event": "client_removed", **about}]


async def test_who_comes_as_somebody_whom_the_gateway_knows_and_may_not_be_is_a_line_with_that_member(tmp_path, log):
    async with with_provider(tmp_path) as (signing, idp):
        ana = await signing.people.add(ANA["email"], by="test")
        await signing.through()
        boss = await signing.people.add("boss@acme.dev", by="test")
        token = await signing.parts.invitations.make(boss.id, by="test")
        idp.person["sub"] = "another"
        told(log)
        for how, reason, member in (
            ({}, "linked_elsewhere", ana),
            ({"invitation": token}, "invitation_of_another", boss),
        ):
            with pytest.raises(SignInFailed):
                await signing.through(**how)
            about = {"subject": "another", "member": member.id}
            assert told(log) == [{"event": "sign_in_failed", "reason": reason, **about}]


async def test_who_comes_from_the_provider_and_may_not_in_is_a_line_with_their_subject(tmp_path, log):
    async with with_provider(tmp_path) as (signing, _):
        with pytest.raises(SignInFailed):
            await signing.through()
        assert told(log) == [{"event": "sign_in_failed", "reason": "not_invited", "subject": ANA["sub"]}]
        with pytest.raises(SignInFailed):
            await signing.provider.finish("state=x", browser=None)
        assert told(log) == [{"event": "sign_in_failed", "reason": "sign_in_unknown"}]
