"""Our signatures are botocore's."""

from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.aws.sigv4 import AwsKeys, Request, Scope, signed_headers

words = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+=-", min_size=1, max_size=40)
names = st.from_regex(r"x-[a-z0-9-]{1,20}", fullmatch=True).filter(lambda name: not name.startswith("x-am"))
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)
hosts = st.sampled_from([
    "https://dynamodb.eu-west-1.amazonaws.com",
    "http://127.0.0.1:4566",
    "https://[::1]:443",
    "http://[::1]:80",
    "https://KMS.us-east-1.amazonaws.com:8443",
])  # fmt: skip
segments = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=4)
paths = segments.map(lambda parts: "/" + "/".join(quote(part, safe="") for part in parts if part not in (".", "..")))
keys = st.builds(AwsKeys, words, words, st.just("") | words)
requests = st.builds(
    Request,
    st.sampled_from(["GET", "POST"]),
    st.builds("{}{}".format, hosts, paths | st.just("")),
    st.dictionaries(names, values, max_size=4),
    st.binary(max_size=200),
)


def botocore_headers(request: Request, keys: AwsKeys, scope: Scope, timestamp: str) -> dict[str, str]:
    auth = SigV4Auth(
        Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token or None), scope.service, scope.region
    )
    theirs = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    theirs.context["timestamp"] = timestamp
    auth._modify_request_before_signing(theirs)
    string_to_sign = auth.string_to_sign(theirs, auth.canonical_request(theirs))
    auth._inject_signature_to_request(theirs, auth.signature(string_to_sign, theirs))
    return {name.lower(): value for name, value in theirs.headers.items()}


@given(requests, keys, st.builds(Scope, words, st.sampled_from(["dynamodb", "kms", "bedrock"])))
def test_a_signature_equals_botocores_for_any_request(request: Request, keys: AwsKeys, scope: Scope):
    ours = signed_headers(request, keys, scope=scope, now=1_800_000_000)
    theirs = botocore_headers(request, keys, scope, "20270115T080000Z")
    assert ours["authorization"] == theirs["authorization"]
    assert ours == theirs | {"host": ours["host"], "x-amz-date": "20270115T080000Z"}


def test_a_signature_is_for_one_day_one_region_and_one_service():
    request = Request("POST", "https://kms.eu-west-1.amazonaws.com/", {}, b"{}")
    keys = AwsKeys("AKIA", "secret")
    places = [(Scope("eu-west-1", "kms"), 0), (Scope("eu-west-2", "kms"), 0), (Scope("eu-west-1", "kms"), 86_400)]
    signatures = {signed_headers(request, keys, scope=scope, now=now)["authorization"] for scope, now in places}
    assert len(signatures) == 3


def test_keys_do_not_show_when_they_are_printed():
    assert "secret" not in repr(AwsKeys("AKIA", "secret", "secret-token"))
