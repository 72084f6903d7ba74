"""Consent is not remembered: whoever was let in is asked about the next time as well."""

import pytest

from tests.flows.browsers import OAuthClient, stage
from tests.flows.test_oauth_login import KINDS, LINEAR, client_of


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "command line"])
async def test_every_request_of_an_app_is_asked_also_the_next_one_of_an_app_that_was_let_in(tmp_path, kind):
    async with stage(tmp_path) as at:
        known = await client_of(kind, at)
        before = dict(at.ana.http.cookies)
        for _ in range(2):
            client = OAuthClient(known.id, known.redirect_uri)
            for sent in ({}, *({"sec-fetch-site": site} for site in ("none", "same-origin", "cross-site"))):
                for changed in ({}, {"prompt": "none"}):
                    page = await at.ana.open(client.url(LINEAR, **changed), **sent)
                    assert (page.status, page.url) == (200, f"http://127.0.0.1:8787{client.url(LINEAR, **changed)}")
                    assert ("", "") not in page.form("/authorize").buttons
            done = await at.ana.submit(await at.ana.open(client.url(LINEAR)), "/authorize", "allow")
            assert (await client.redeem(at.ana.http, done.parameters["code"])).status_code == 200
        # Nor does the browser hold anything that would say so.
        assert dict(at.ana.http.cookies) == before
