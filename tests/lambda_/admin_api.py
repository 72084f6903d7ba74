"""The admin API's function in a process of its own, as Lambda runs it."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.lambda_.fake_runtime_api import ROOT

ANSWER_ALL = """
import json, sys
from handlers.api import handler
print(json.dumps([handler(event, None) for event in json.load(sys.stdin)]))
"""


def answers(events: Sequence[Any], environment: Mapping[str, str]) -> list[Any]:
    """What the function says to each of `events`, one after the other."""
    command = [sys.executable, "-W", "error", "-c", ANSWER_ALL]
    given = json.dumps(list(events))
    done = subprocess.run(command, cwd=ROOT, env=environment, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found
