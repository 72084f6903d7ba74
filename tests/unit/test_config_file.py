"""The configuration file: every mistake is told with file, line and field."""

import pytest

from gateway_core.cli.config_file import read_config
from gateway_core.errors import Invalid

FILE = """organisation: Acme
workspaces:
  - {slug: research, name: Research}
servers:
  - slug: linear
    url: https://mcp.example.com/mcp
    auth:
      type: headers
      headers: {Authorization: {secret: linear-token}}
    workspaces: [research]
"""


def test_every_value_stays_the_text_that_was_written():
    config = read_config("g.yaml", "a: no\nb: 2026-11-03\nc: 0x10\nd: [1, ~]")
    assert config.data == {"a": "no", "b": "2026-11-03", "c": "0x10", "d": ["1", "~"]}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (["servers", 0, "url"], "g.yaml:6: servers[0].url: bad"),
        (["workspaces", 0, "slug"], "g.yaml:3: workspaces[0].slug: bad"),
        (["servers", 0, "auth", "headers", "headers", "Authorization", "SecretReference", "secret"],
         "g.yaml:9: servers[0].auth.headers.Authorization.secret: bad"),
        (["servers", 0, "workspaces", 0], "g.yaml:10: servers[0].workspaces[0]: bad"),
        (["servers", 0, "name"], "g.yaml:5: servers[0]: bad"),
        ([], "g.yaml:1: file: bad"),
    ],
)  # fmt: skip
def test_a_problem_is_told_with_the_line_and_the_name_of_its_field(path, told):
    assert read_config("g.yaml", FILE).told(path, "bad") == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3", "g.yaml:3: the field 'a' appears twice"),
        ("a: &x [1]\nb: *x", "g.yaml:1: aliases are not read here"),
        ("a: [1", "g.yaml:1: this is not YAML"),
        ("- a", "g.yaml:1: a configuration is a mapping"),
        ("", "g.yaml:1: a configuration is a mapping"),
        ("? [a]\n: b", "g.yaml:1: a field's name is plain text"),
        ("a: !!python/object:os.system {}", None),
        ("[" * 5000, "g.yaml"),
        ("a: \x07", "g.yaml"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(text, told):
    if told is None:
        assert read_config("g.yaml", text).data == {"a": {}}
        return
    with pytest.raises(Invalid) as problem:
        read_config("g.yaml", text)
    assert told in problem.value.message
