"""Which URLs can be saved, and how they are read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.egress import Policy, Target, check_header, check_url, read_networks
from gateway_core.egress.requests import UnsendableHeader, encode, opening
from gateway_core.egress.targets import MAX_URL, read_target
from gateway_core.errors import Invalid

PUBLIC = Policy(own_hosts=frozenset({"gate.example.com", "other.example.com:8443"}))
LOCAL = Policy(loopback=True, forbidden=frozenset({("127.0.0.1", 9001), ("localhost", 9001)}))
PRIVATE = Policy(networks=read_networks(["10.0.0.0/8"]), forbidden=frozenset({("10.0.0.9", 443)}))
AWS = Policy.for_aws(["https://dynamodb.eu-central-1.amazonaws.com", "http://127.0.0.1:4566/"])

READ = [
    ("https://weather.example.com", "weather.example.com", 443, "/", "weather.example.com"),
    ("https://Weather.Example.COM./mcp", "weather.example.com", 443, "/mcp", "weather.example.com"),
    ("HTTPS://a.example:8443/mcp?x=1&y=%2F", "a.example", 8443, "/mcp?x=1&y=%2F", "a.example:8443"),
    ("https://a.example:443/", "a.example", 443, "/", "a.example"),
    ("https://a.example?x=1", "a.example", 443, "/?x=1", "a.example"),
    ("https://bücher.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
    ("https://例え。jp/", "xn--r8jz45g.jp", 443, "/", "xn--r8jz45g.jp"),
    ("https://8.8.8.8/mcp", "8.8.8.8", 443, "/mcp", "8.8.8.8"),
    ("https://[2606:4700:4700:0::1111]:8443/", "2606:4700:4700::1111", 8443, "/", "[2606:4700:4700::1111]:8443"),
    ("https://my_b.example/a;b=c/(d)/~e@f:g?q[]=1", "my_b.example", 443, "/a;b=c/(d)/~e@f:g?q[]=1", "my_b.example"),
]


@pytest.mark.parametrize(("url", "host", "port", "path", "authority"), READ)
def test_a_url_is_read_in_the_one_way_that_it_can_be(url: str, host: str, port: int, path: str, authority: str):
    target = check_url(url, PUBLIC)
    assert (target.scheme, target.host, target.port, target.path) == ("https", host, port, path)
    assert target.authority == authority


def _words(table: str) -> list[str]:
    return table.split()


LITERALS = _words("""
127.0.0.1 127.1 127.0.1 0 0.0.0.0 00000000 2130706433 0x7f000001 0X7F000001 0x7f.1 0177.0.0.1 017700000001 127.0.0.01
0x7f.0x0.0x0.0x1 1.2.3.4.5 256.1.1.1 1.2.3 127.0.0.1. 127.1. 0x 1.0x ①②⑦.⓪.⓪.①
127。0。0。1 ②①③⓪⑦⓪⑥④③③ \uff11\uff12\uff17.0.0.1
169.254.169.254 169.254.170.2 169.254.100.1 169.254.79.129 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.16689662
10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 192.0.0.192 192.88.99.1 198.18.0.1 224.0.0.1 255.255.255.255 168.63.129.16
[::] [::1] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:0:127.0.0.1] [64:ff9b::a9fe:a9fe]
[64:ff9b:1::7f00:1] [2002:a9fe:a9fe::] [2001::1] [fec0::1] [fe80::1] [fe80::1%25eth0] [::1%25lo] [fd00:ec2::254]
[fc00::1] [ff02::1] [3fff::1] [5f00::1] [2001:db8::1] [2a00:1450::5efe:7f00:1]
localhost LOCALHOST localhost. metadata.localhost localhost.localdomain ip6-localhost ⓛocalhost
""")


@pytest.mark.parametrize("host", LITERALS)
@pytest.mark.parametrize(
    "form", ["https://{}/", "https://{}:8443/mcp", "http://{}/", "http://{}:9001/2018-06-01/runtime/invocation/next"]
)
def test_no_way_of_writing_an_internal_address_is_accepted(form: str, host: str):
    with pytest.raises(Invalid):
        check_url(form.format(host), PUBLIC)


MALFORMED = [
    "",
    "https://",
    "https:///mcp",
    "https:/a.example",
    "https:a.example",
    "//a.example/",
    "a.example",
    "ftp://a.example/",
    "file:///etc/passwd",
    "gopher://a.example/",
    "javascript:alert(1)",
    "https://user@a.example/",
    "https://user:pass@a.example/",
    "https://a.example@127.0.0.1/",
    "https://a.example#@127.0.0.1/",
    "https://a.example/#fragment",
    "https://a.example\\@127.0.0.1/",
    "https://a.example\\.evil/",
    "https://a.example:/",
    "https://a.example:0/",
    "https://a.example:00443/",
    "https://a.example:65536/",
    "https://a.example:-1/",
    "https://a.example:\uff14\uff14\uff13/",
    "https://a.example:443:80/",
    "https://a.example:443@127.0.0.1/",
    "https://a.exa mple/",
    "https://a.example /",
    " https://a.example/",
    "https://a.example/\n",
    "https://a.example/a b",
    "https://a.example/\r\nHost: b",
    "https://a.example\r\n/",
    "https://a.example\t/",
    "https://a.example/\x00",
    "https://a.example/\x7f",
    "https://a\u00adb\u200b.example\u2028/",
    "https://%61.example/",
    "https://127.0.0.1%2f.example/",
    "https://a.example%00.evil/",
    "https://a.example/%",
    "https://a.example/%zz",
    "https://a.example/%0d%0aHost:%20b",
    "https://a.example/%00",
    "https://a.example/%7F",
    "https://a.example/ü",
    "https://a.example/<x>",
    'https://a.example/"x"',
    "https://a.example/{x}",
    "https://.a.example/",
    "https://a..example/",
    "https://-a.example/",
    "https://a-.example/",
    "https://a.example../",
    "https://a!b.example/",
    "https://a*.example/",
    "https://*/",
    "https://[::1/",
    "https://::1/",
    "https://[]/",
    "https://[v1.x]/",
    "https://[1.2.3.4]/",
    "https://[8.8.8.8]:443/",
    f"https://{'a' * 64}.example/",
    f"https://{'a.' * 130}example/",
    f"https://a.example/{'a' * MAX_URL}",
]


@pytest.mark.parametrize("url", MALFORMED)
@pytest.mark.parametrize("policy", [PUBLIC, LOCAL, PRIVATE, AWS], ids=["public", "local", "private", "aws"])
def test_a_url_that_two_readers_could_read_differently_is_refused_everywhere(url: str, policy: Policy):
    with pytest.raises(Invalid):
        check_url(url, policy)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://a.example/", "must start with https"),
        ("http://8.8.8.8/", "must start with https"),
        ("https://a.example:80/", "Port 80 is not open for upstream servers. Open: 443, 8443."),
        ("https://a.example:22/", "Port 22 is not open"),
        ("https://gate.example.com/ws/weather/mcp", "points back at this gateway"),
        ("https://GATE.example.com.:8443/", "points back at this gateway"),
        ("https://other.example.com:8443/", "points back at this gateway"),
        ("https://localhost/", "This machine's own addresses"),
        ("https://10.0.0.1/", "not public"),
    ],
)
def test_a_refused_url_says_what_is_wrong_with_it(url: str, words: str):
    with pytest.raises(Invalid, match=words):
        check_url(url, PUBLIC)


def test_only_the_own_port_is_the_gateway_where_the_operator_says_so():
    assert check_url("https://other.example.com/", PUBLIC).host == "other.example.com"


def test_an_operator_may_open_another_port():
    assert check_url("https://a.example:9443/", Policy(ports=(9443,))).port == 9443


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:3000/mcp", "http://localhost:80/", "https://localhost:9/", "http://[::1]:3000/"]
)
def test_the_local_run_takes_plain_http_to_this_machine_on_any_port(url: str):
    assert check_url(url, LOCAL)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
        "http://localhost:9001/",
        "http://a.example/",
        "http://10.0.0.1/",
        "http://127.1:3000/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]:3000/",
        "http://169.254.169.254/",
        "http://0.0.0.0:3000/",
    ],
)
def test_the_local_run_takes_no_other_way_and_no_forbidden_port(url: str):
    with pytest.raises(Invalid):
        check_url(url, LOCAL)


def test_a_listed_network_is_reached_over_https_alone_and_not_at_a_forbidden_address():
    assert check_url("https://10.0.0.1/", PRIVATE)
    for url in ("http://10.0.0.1/", "https://10.0.0.9/", "https://192.168.0.1/", "https://10.0.0.1:22/"):
        with pytest.raises(Invalid):
            check_url(url, PRIVATE)


def test_the_policy_for_aws_reaches_its_endpoints_and_nothing_else():
    assert check_url("https://dynamodb.eu-central-1.amazonaws.com/", AWS)
    assert check_url("http://127.0.0.1:4566/", AWS)
    for url in (
        "https://a.example/",
        "http://dynamodb.eu-central-1.amazonaws.com/",
        "https://dynamodb.eu-central-1.amazonaws.com:8443/",
        "http://127.0.0.1:4567/",
    ):
        with pytest.raises(Invalid):
            check_url(url, AWS)


@pytest.mark.parametrize("url", ["dynamodb", "ftp://a.example", "https://"])
def test_an_endpoint_that_is_no_url_is_refused_at_the_start(url: str):
    with pytest.raises(Invalid):
        Policy.for_aws([url])


@given(st.text(max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_text_at_all_is_either_refused_in_words_or_read(text: str):
    for url in (text, f"https://{text}", f"https://{text}.example/", f"https://a.example/{text}"):
        result = read_target(url, PUBLIC)
        assert isinstance(result, str | Target)
        if isinstance(result, Target):
            line = opening("GET", result)
            assert line.isascii()
            assert line.count("\r\n") == 3
            assert not set(line.replace("\r\n", "")) & {"\r", "\n", "\0"}


SMUGGLING = [
    ("x", "a\r\nHost: b"),
    ("x", "a\nb"),
    ("x", "a\rb"),
    ("x", "a\0b"),
    ("x", "a\x7f"),
    ("x", "ü"),
    ("x", "\u2028"),
    ("x", "\u010d\u010a"),
    ("x\r\ny", "a"),
    ("x:", "a"),
    ("x ", "a"),
    (" x", "a"),
    ("", "a"),
    ("x\ty", "a"),
    ("ü", "a"),
    ("(x)", "a"),
    ("x" * 300, "a"),
    ("Host", "b.example"),
    ("Content-Length", "0"),
    ("transfer-encoding", "chunked"),
    ("Connection", "authorization"),
    ("Accept-Encoding", "gzip"),
    ("Upgrade", "websocket"),
    ("TE", "trailers"),
    ("Expect", "100-continue"),
    ("Proxy-Authorization", "Basic x"),
]


@pytest.mark.parametrize(("name", "value"), SMUGGLING)
def test_a_header_that_would_change_how_the_request_is_read_is_never_saved_and_never_sent(name: str, value: str):
    with pytest.raises(Invalid):
        check_header(name, value)
    with pytest.raises(UnsendableHeader):
        encode("GET / HTTP/1.1\r\n", [("ok", "1"), (name, value)], b"")


@pytest.mark.parametrize(("name", "value"), [("Authorization", "Bearer a.b-c"), ("x-empty", ""), ("X_y", "a\tb  c ~!")])
def test_an_ordinary_header_is_saved_and_sent(name: str, value: str):
    check_header(name, value)
    assert f"{name}: {value}\r\n".encode() in encode("GET / HTTP/1.1\r\n", [(name, value)], b"")


def test_a_request_is_written_with_host_and_length_and_without_compression():
    target = check_url("https://a.example:8443/mcp?x", PUBLIC)
    assert encode(opening("POST", target), [("Accept", "text/event-stream")], b"{}") == (
        b"POST /mcp?x HTTP/1.1\r\nhost: a.example:8443\r\naccept-encoding: identity\r\n"
        b"Accept: text/event-stream\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert b"content-length: 0" in encode(opening("POST", target), [], b"")
    assert b"content-length" not in encode(opening("GET", target), [], b"")


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "", "GET / HTTP/1.1\r\n"])
def test_a_method_that_the_gateway_has_no_use_for_cannot_be_sent(method: str):
    with pytest.raises(ValueError, match="is not a method"):
        opening(method, check_url("https://a.example/", PUBLIC))
