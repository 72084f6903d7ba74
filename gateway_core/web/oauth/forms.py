"""What a browser posts: read strictly, and only when it comes from one of our own pages. Pure."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from gateway_core.errors import BadRequest, OriginRefused
from gateway_core.headers import Headers

FORM: Final = "application/x-www-form-urlencoded"
MAX_FIELDS: Final = 20
"""Fields of a form; ours have at most six."""


def read_form(headers: Headers, body: bytes) -> dict[str, str]:
    """The fields of a posted form.

    Raises:
        BadRequest: It is no form, not UTF-8, too long, or says a field twice.
    """
    if (headers.get("content-type") or "").partition(";")[0].strip().lower() != FORM:
        raise BadRequest("This is not what our form sends. Go back and use the page again.", reason="bad_form")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadRequest("The form cannot be read. Go back and use the page again.", reason="bad_form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadRequest("The form says one field twice. Go back and use the page again.", reason="bad_form")
    return fields


def check_own_page(headers: Headers, public_url: str) -> None:
    """Let a post through only from a page of ours.

    Browsers say where a post comes from in `Origin`, and in `Sec-Fetch-Site`; neither can be set by a page.

    Raises:
        OriginRefused: It comes from elsewhere, or does not say.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    own = site == "same-origin" if origin in (None, "null") else origin == origin_of(public_url)
    if not own or {"origin", "sec-fetch-site"} & headers.repeated:
        raise OriginRefused(f"This was not sent from a page of {public_url}. Open the page there and try again.")


def origin_of(public_url: str) -> str:
    """The origin of `public_url` as browsers write it: in lower case, without the port that goes without saying."""
    parts = urlsplit(public_url)
    usual = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual)}"


def parameter(query: str, name: str) -> str | None:
    """One parameter of a query of ours, or None: not there, there twice, or not readable."""
    try:
        pairs = parse_qsl(query, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
    found = [value for key, value in pairs if key == name]
    return found[0] if len(found) == 1 else None
