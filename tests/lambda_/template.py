"""The template as CloudFormation gets to see it, after SAM's transform, and how to look things up in it."""

import json
from typing import Any

from tests.programs import environment, output

TRANSFORM = """
import json, sys
from pathlib import Path
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

class NoPolicies:
    def load(self):
        return {}

source = yaml_parse(Path(sys.argv[1]).read_text())
made = SamTemplateValidator(source, NoPolicies(), region="eu-central-1").get_translated_template_if_valid()
print(json.dumps(yaml_parse(made)))
"""
PLAIN = """
import json, sys
from pathlib import Path
from samcli.yamlhelper import yaml_parse
print(json.dumps(yaml_parse(Path(sys.argv[1]).read_text())))
"""


def transformed() -> dict[str, Any]:
    """template.yaml after the transform."""
    found: dict[str, Any] = json.loads(output([environment("sam") / "python", "-c", TRANSFORM, "template.yaml"]))
    return found


def nested(name: str) -> dict[str, Any]:
    """A template of infra/, which needs no transform."""
    found: dict[str, Any] = json.loads(output([environment("sam") / "python", "-c", PLAIN, f"infra/{name}.yaml"]))
    return found


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def integrations(resources: dict[str, Any]) -> dict[str, Any]:
    """What answers each path."""
    paths = resources["Api"]["Properties"]["Body"]["paths"]
    return {
        path: methods["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
        for path, methods in paths.items()
    }


def statements_of(resources: dict[str, Any], role: str) -> list[dict[str, Any]]:
    [policy] = resources[role]["Properties"]["Policies"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def statements(resources: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of all roles."""
    return [
        statement
        for role in of_type(resources, "AWS::IAM::Role").values()
        for policy in role.get("Policies", ())
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
