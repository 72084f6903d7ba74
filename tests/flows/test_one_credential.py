"""One credential to a request: whatever else its headers hold, two never make a caller."""

from itertools import combinations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.flows.actors import PUBLIC, granted, joined, workspace_id
from tests.flows.foreign import believe, issuing, token
from tests.flows.gateways import Gateway, call, gateway
from tests.flows.upstreams import upstream, weather

NAMES = ("authorization", "x-api-key", "x-portkey-api-key", "x-auth-token")
PATH = "/research/weather/mcp"


async def ask(gw: Gateway, fields: list[tuple[str, str]], path: str = PATH) -> int:
    headers = [(name, value) for name, value in gw.headers().items() if name != "authorization"]
    return (await gw.http.post(gw.url + path, json=call(), headers=[*headers, *fields])).status_code


def field(name: str, credential: str) -> tuple[str, str]:
    return name, f"Bearer {credential}" if name == "authorization" else credential


async def test_two_good_credentials_in_any_two_headers_are_one_too_many(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(header="x-auth-token"), "weather")
        ana = await joined(gw, "ana@acme.dev", research="member")
        place = await workspace_id(gw, "research")
        _, opaque = await granted(gw, ana.id, place=place, resource=PUBLIC + PATH, scope="mcp")
        good = {"key": gw.key, "other": (await gw.new_key())[0], "token": opaque, "jwt": token()}
        alone = {(name, what) for name in NAMES for what in good if await ask(gw, [field(name, good[what])]) == 200}
        assert alone == {
            *((name, what) for name in NAMES[:3] for what in ("key", "other", "token")),
            ("x-auth-token", "jwt"),
        }
        for first, second in combinations(sorted(alone), 2):
            if first[1] == second[1] and first[0] != second[0]:
                continue
            pair = [field(name, good[what]) for name, what in (first, second)]
            assert await ask(gw, pair) == await ask(gw, pair[::-1]) == 400, (first, second)
            # Where keys alone are taken, a token is refused before anything is counted.
            assert await ask(gw, pair, f"/k{PATH}") in (400, 401), (first, second)
        calls = len(server.seen)
        for what in good:
            twice = [field("x-auth-token" if what == "jwt" else "authorization", good[what])] * 2
            assert await ask(gw, twice) == 400, what
        assert len(server.seen) == calls


async def test_a_token_behind_another_line_of_its_header_is_a_second_credential_all_the_same(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(header="x-auth-token"), "weather")
        lines = [("x-auth-token", "nothing"), ("x-auth-token", token())]
        assert await ask(gw, [*lines, ("x-api-key", gw.key)]) == 400
        assert await ask(gw, lines) == 400
        # Of other headers it means nothing that they come twice.
        assert await ask(gw, [("x-team", "a"), ("x-team", "b"), ("x-api-key", gw.key)]) == 200
        assert await ask(gw, [("x-team", "a"), ("x-team", "b")]) == 401


async def test_no_combination_of_headers_with_two_credentials_makes_a_caller(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(header="x-auth-token"), "weather")
        keys = [(await gw.new_key())[0] for _ in range(2)]
        values = [*keys, token(), token({"sub": "bo"})]
        written = st.sampled_from(["{}", "Bearer {}", "bearer  {}", "Basic {}", "{}, {}", "Bearer {}, Bearer {}"])
        one = st.tuples(st.sampled_from(NAMES), written, st.integers(0, 3), st.integers(0, 3))
        drawn: list[list[tuple[str, str, int, int]]] = []

        @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(one, min_size=2, max_size=4))
        def draw(fields: list[tuple[str, str, int, int]]) -> None:
            drawn.append(fields)

        draw()
        for fields in drawn:
            shown = {
                values[each]
                for name, form, *which in fields
                for each in which[: form.count("{}")]
                # An API key is nothing in that header, and may stand there.
                if name != "x-auth-token" or values[each] not in keys
            }
            sent = [(name, form.format(values[first], values[second])) for name, form, first, second in fields]
            status = await ask(gw, sent)
            assert status in (200, 400, 401), fields
            if len(shown) > 1:
                assert status != 200, fields


async def test_a_token_of_another_issuer_counts_in_the_one_header_that_the_setting_names(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        mine, another = token(), token({"sub": "bo"})
        await believe(gw, server.url, issuer.validation(), "weather")
        assert await ask(gw, [field("authorization", mine)]) == 200
        assert await ask(gw, [field("x-api-key", mine)]) == 401
        assert await ask(gw, [field("x-auth-token", mine)]) == 401
        assert await ask(gw, [field("authorization", mine), field("x-api-key", another)]) == 400
        await believe(gw, server.url, issuer.validation(header="x-auth-token"), "weather")
        assert await ask(gw, [field("x-auth-token", mine)]) == 200
        assert await ask(gw, [field("authorization", another), field("x-auth-token", mine)]) == 400
        assert await ask(gw, [field("authorization", "opaque"), field("x-auth-token", mine)]) == 400
