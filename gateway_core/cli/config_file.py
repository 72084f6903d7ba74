"""The configuration file: YAML in, plain data and the line of every field out. Pure."""

from dataclasses import dataclass
from typing import Any, Final

import yaml

from gateway_core.errors import Invalid

MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read. `data` holds text, lists and mappings; what each text means is decided where it is used."""

    name: str
    data: Any
    node: yaml.Node

    def told(self, path: list[str | int], message: str) -> str:
        """`message` with file, line and field, e.g. `gatehouse.yaml:7: servers[0].slug: …`."""
        line, field = _find(self.node, path)
        return f"{self.name}:{line}: {field or 'file'}: {message}"


def read_config(name: str, text: str) -> ConfigFile:
    """Read a configuration file.

    Raises:
        Invalid: It is no YAML, too large, or uses what one reader may see and another may not (a name twice, aliases).
    """
    if len(text) > MAX_BYTES:
        raise Invalid(f"{name} is larger than {MAX_BYTES >> 20} MiB.")
    try:
        # Every scalar stays text: no `no` that turns into false, no 2026-11-03 that turns into a date.
        node = yaml.compose(text, yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise Invalid(f"{name}:{line}: this is not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Invalid(f"{name}: this is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(node, yaml.MappingNode):
        raise Invalid(f"{name}:1: a configuration is a mapping with organisation, workspaces and servers.")
    return ConfigFile(name, _value(node, name, set()), node)


def _value(node: yaml.Node, name: str, seen: set[int]) -> Any:
    if id(node) in seen:
        raise Invalid(f"{name}:{node.start_mark.line + 1}: aliases are not read here; write the value out.")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Invalid(f"{name}:{key.start_mark.line + 1}: a field's name is plain text.")
            if key.value in found:
                raise Invalid(f"{name}:{key.start_mark.line + 1}: the field {key.value!r} appears twice.")
            found[key.value] = _value(value, name, seen)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, name, seen) for each in node.value]
    return node.value


def _find(node: yaml.Node, path: list[str | int]) -> tuple[int, str]:
    """Line of a field, and its name as people write it. Steps that the file does not have are passed over: they name
    a missing field, or a branch of the schema."""
    line, field = node.start_mark.line + 1, ""
    for step in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line, field = node.start_mark.line + 1, f"{field}[{step}]"
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == step:
                    line, node = key.start_mark.line + 1, value
                    field = f"{field}.{step}" if field else str(step)
                    break
    return line, field
