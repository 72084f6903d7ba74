"""A server that leads to another authorization server than the one at which an account was connected."""

import logging

import pytest

from tests.flows.tracker import PAGE, left, scene


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    found = [record for record in caplog.records if record.message == "issuer_changed"]
    assert {record.levelno for record in found} <= {logging.WARNING}
    return [record.__dict__["fields"] for record in found]


@pytest.mark.parametrize("ended", [False, True], ids=["while it works", "once it has ended"])
async def test_who_connects_anew_is_warned_and_whoever_runs_the_gateway_reads_it_in_the_log(tmp_path, caplog, ended):
    async with scene(tmp_path) as at:
        ana = at.at.ana
        member = await at.gw.admin.people.by_email("ana@example.com")
        await ana.open(at.tracker.visit(await left(ana)))
        assert "was connected at" not in (await ana.open(PAGE)).text
        if ended:
            at.tracker.tokens.clear()
            await at.called(await at.key("ana@example.com"))
            assert "Needs you again." in (await ana.open(PAGE)).text
        assert events(caplog) == []
        at.tracker.moved = "/tenant-2"
        warned = f"Tracker was connected at {at.tracker.url}, and now leads to {at.tracker.issuer}. Go on only if"
        assert warned in (await ana.open(PAGE)).text
        (seen,) = events(caplog)
        assert member is not None
        assert (seen["holder"], seen["actor"], seen["connected"]) == (member.id, member.id, False)
        assert (seen["before"], seen["now"]) == (at.tracker.url, at.tracker.issuer)
        caplog.clear()
        await ana.open(at.tracker.visit(await left(ana)))
        assert [event["connected"] for event in events(caplog)] == [False, True]
        # From now on it is at home there.
        caplog.clear()
        assert "was connected at" not in (await ana.open(PAGE)).text
        assert events(caplog) == []


async def test_where_an_administrator_has_entered_the_other_one_nobody_is_warned(tmp_path, caplog):
    async with scene(tmp_path) as at:
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        at.tracker.moved = "/tenant-2"
        endpoints = {"authorization_endpoint": "authorize", "token_endpoint": "token"}
        by_hand = {
            name: f"{at.tracker.url}/{path}".replace("127.0.0.1", "localhost") for name, path in endpoints.items()
        }
        for auth in ({"issuer": at.tracker.issuer}, {"client_id": "c", **by_hand}):
            await at.set_up(auth)
            page = await at.at.ana.open(PAGE)
            assert (page.status, "was connected at" in page.text) == (200, False)
        assert events(caplog) == []
