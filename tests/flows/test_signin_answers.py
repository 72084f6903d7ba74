"""What a browser brings back from the identity provider: whose answer it is, and that it counts once."""

import asyncio
import logging
from urllib.parse import parse_qs, quote

import pytest

from gateway_core.errors import SignInFailed
from gateway_core.signin.cookies import new_value
from tests.flows.signing_in import with_provider

SECRETS = ("ghs_", "s3cret", "code=", "eyJ")


async def test_an_answer_works_once_and_in_the_browser_that_asked_for_it(tmp_path):
    async with with_provider(tmp_path) as (signing, _):
        browser = new_value()
        for other in (None, "", "short", new_value()):
            query = await signing.back(browser)
            with pytest.raises(SignInFailed, match="another browser"):
                await signing.provider.finish(query, browser=other)
            # Whoever logged in there may not be who began it: it is good for nobody any more.
            with pytest.raises(SignInFailed, match="finished already"):
                await signing.provider.finish(query, browser=browser)
        query = await signing.back(browser)
        assert await signing.provider.finish(query, browser=browser)
        with pytest.raises(SignInFailed, match="finished already"):
            await signing.provider.finish(query, browser=browser)


async def test_of_two_answers_at_the_same_moment_one_signs_in(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        browser = new_value()
        query = await signing.back(browser)
        results = await asyncio.gather(
            *(signing.provider.finish(query, browser=browser) for _ in range(8)), return_exceptions=True
        )
        assert sum(not isinstance(result, BaseException) for result in results) == 1
        assert {type(result) for result in results if isinstance(result, BaseException)} == {SignInFailed}
        assert idp.asked.count("/token") == 1


@pytest.mark.parametrize("advertised", [True, False])
@pytest.mark.parametrize("iss", [None, "", "https://evil.example", "upper"])
async def test_an_answer_that_names_another_issuer_or_none_where_one_is_due_is_not_even_shown(
    tmp_path, advertised, iss
):
    async with with_provider(tmp_path) as (signing, idp):
        idp.metadata = {"authorization_response_iss_parameter_supported": advertised}
        browser = new_value()
        state = parse_qs(await signing.back(browser))["state"][0]
        query = f"state={state}&error=access_denied&error_description=call+0800"
        if iss is not None:
            query += f"&iss={quote(idp.url.upper() if iss == 'upper' else iss)}"
        with pytest.raises(SignInFailed) as caught:
            await signing.provider.finish(query, browser=browser)
        told = not advertised and iss is None
        assert ("access_denied" in caught.value.message) == told
        assert "0800" not in caught.value.message
        assert "/token" not in idp.asked


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("error=access_denied", "access_denied"),
        ("error=%3Cscript%3E", "an unknown error"),
        ("error=access_denied&code=x", "access_denied"),
        ("", "cannot be trusted"),
        ("code=", "cannot be trusted"),
        ("code=" + "x" * 8_193, "cannot be trusted"),
        ("code=a&code=b", "cannot be trusted"),
        ("code=x&padding=" + "x" * 16_384, "cannot be trusted"),
        ("code=x&" + "&".join(f"a{n}=1" for n in range(60)), "cannot be trusted"),
        ("code=wrong", "tell whoever runs this gateway"),
    ],
)
async def test_an_answer_without_a_good_code_signs_nobody_in(tmp_path, answer, words):
    async with with_provider(tmp_path) as (signing, idp):
        browser = new_value()
        state = parse_qs(await signing.back(browser))["state"][0]
        with pytest.raises(SignInFailed, match=words):
            await signing.provider.finish(f"state={state}&{answer}", browser=browser)
        idp.complaints.clear()


@pytest.mark.parametrize(
    "query", ["", "code=x", "state=", "state=" + "a" * 43, "state=%ff", "state=\ud800", "=&;", "%"]
)
async def test_an_answer_that_nobody_asked_for_is_refused(tmp_path, query):
    async with with_provider(tmp_path) as (signing, idp):
        with pytest.raises(SignInFailed, match="Start again"):
            await signing.provider.finish(query, browser=new_value())
        assert idp.asked == []


async def test_nothing_secret_stands_in_logs_or_messages(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with with_provider(tmp_path) as (signing, idp):
        browser = new_value()
        query = await signing.back(browser)
        idp.told = {"nonce": "wrong"}
        with pytest.raises(SignInFailed) as caught:
            await signing.provider.finish(query, browser=browser)
        values = parse_qs(query)
        ours = [record for record in caplog.records if record.name.startswith(("gateway_core", "authlib", "joserfc"))]
        assert ours
        written = "".join(f"{record.getMessage()}{record.__dict__}" for record in ours) + caught.value.message
        for secret in (browser, values["code"][0], values["state"][0], *SECRETS):
            assert secret not in written
