"""Connecting an account while the store fails."""

from gateway_core.errors import StoreUnavailable
from gateway_core.storage import keys
from tests.flows.token_servers import server_of
from tests.flows.tracker import left, scene


async def test_a_store_that_fails_at_the_end_leaves_the_account_of_before_and_never_half_of_one(tmp_path, monkeypatch):
    async with scene(tmp_path) as at:
        key, table = await at.key("ana@example.com"), at.gw.table
        member = await at.gw.admin.people.by_email("ana@example.com")
        assert member is not None
        server = await server_of(at.gw, "tracker")
        wanted = [keys.connection(server.id, member.id), keys.member_connection(member.id, server.id)]
        transact = type(table).transact

        async def failing(self, writes):
            if any(write.key in wanted for write in writes):
                raise StoreUnavailable("The store does not answer.")
            return await transact(self, writes)

        for fails in (True, False, True):
            back = at.tracker.visit(await left(at.at.ana), "before" if fails is False else "after")
            before = await table.get_many(wanted)
            with monkeypatch.context() as patched:
                if fails:
                    patched.setattr(type(table), "transact", failing)
                response = await at.at.ana.http.get(back)
            assert response.status_code == (503 if fails else 303)
            assert (await table.get_many(wanted) == before) == fails
        assert "I am before." in await at.called(key)


async def test_a_store_that_fails_before_the_code_is_spent_leaves_it_unspent(tmp_path, monkeypatch):
    async with scene(tmp_path) as at:
        member = await at.gw.admin.people.by_email("ana@example.com")
        assert member is not None
        place = keys.connection((await server_of(at.gw, "tracker")).id, member.id)
        get = type(at.gw.table).get

        async def failing(self, key):
            if key == place:
                raise StoreUnavailable("The store does not answer.")
            return await get(self, key)

        back = at.tracker.visit(await left(at.at.ana))
        with monkeypatch.context() as patched:
            patched.setattr(type(at.gw.table), "get", failing)
            assert (await at.at.ana.http.get(back)).status_code == 503
        # Tokens that nobody keeps would stand over there, for nobody, until they lapse.
        assert (at.tracker.forms, len(at.tracker.codes)) == ([], 1)
