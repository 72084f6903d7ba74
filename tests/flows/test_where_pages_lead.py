"""Where somebody ends who connects an account: on a page of ours, or at the app that waits, whatever a link says."""

from urllib.parse import urlencode

import pytest

from tests.flows.browsers import LOCAL_REDIRECT, PUBLIC, Browser, register
from tests.flows.test_connecting import LINK
from tests.flows.test_consent_chain import allowed
from tests.flows.tracker import PAGE, scene

NAMES = (
    "next", "redirect", "redirect_to", "redirect_uri", "redirect_url", "return", "return_to", "returnTo", "return_url",
    "url", "goto", "continue", "of",
)  # fmt: skip
"""What others go by, and our own pages know. No more than a form may have besides its own fields."""
PLACES = ("https://evil.example/x", "//evil.example/x", "/\\evil.example", "javascript:alert(1)")


async def stays(browser: Browser, path: str, started: str) -> None:
    """Whatever a page shows or leads to is ours."""
    page = await browser.open(path)
    assert page.url.startswith(started), page.url
    assert "evil.example" not in page.response.text
    assert "alert(1)" not in page.response.text


@pytest.mark.parametrize("place", PLACES)
async def test_no_parameter_of_a_link_or_of_an_answer_leads_anywhere_else(tmp_path, place):
    async with scene(tmp_path) as at:
        ana, added = at.at.ana, dict.fromkeys(NAMES, place)
        query = urlencode(added)
        found = LINK.search(await at.called(await at.key("ana@example.com")))
        assert found is not None
        for path in (PAGE, found[1]):
            await stays(at.at.browser(), f"{path}?{query}", f"{PUBLIC}/oauth/signin?next={path.replace('/', '%2F')}")
            await stays(ana, f"{path}?{query}", f"{PUBLIC}{path}")
        sent = await ana.submit(await ana.open(f"{PAGE}?{query}"), PAGE, **added)
        assert sent.url.startswith(f"{at.tracker.url}/authorize?")
        assert "evil" not in sent.url
        await stays(ana, f"{at.tracker.visit(sent.url)}&{query}", f"{PUBLIC}/oauth/connected?of=")
        await stays(ana, f"/oauth/connected?{query}", f"{PUBLIC}/oauth/account")
        await stays(ana, f"/oauth/upstream-callback?{query}", f"{PUBLIC}/oauth/upstream-callback")
        page = await ana.submit(await ana.open(PAGE), f"{PAGE}/disconnect", **added)
        assert page.url == f"{PUBLIC}/oauth/account?ended=account"


@pytest.mark.parametrize("place", PLACES)
async def test_an_app_that_waits_gets_its_answer_where_it_was_registered_for_alone(tmp_path, place):
    async with scene(tmp_path) as at:
        ana, added = at.at.ana, dict.fromkeys(NAMES, place)
        page = await allowed(ana, await register(ana.http))
        sent = await ana.submit(page, PAGE, **added)
        back = await ana.open(f"{at.tracker.visit(sent.url)}&{urlencode(added)}")
        assert back.url.startswith(f"{LOCAL_REDIRECT}?code=ghc_")
