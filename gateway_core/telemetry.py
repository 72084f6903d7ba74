"""One record per call, the trace it belongs to, and log lines. Never arguments, results, headers or credentials."""

import json
import logging
import re
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway_core.errors import GatewayError, StoreUnavailable, UpstreamError

MAX_RECORDED: Final = 256
"""Characters of a name that a client or server chose."""
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


@dataclass(slots=True, eq=False, repr=False)
class CallRecord:
    """What is known of one call so far. Filled on the way, written once at the end."""

    request_id: str
    trace_id: str
    started: float = field(default_factory=time.perf_counter)
    workspace: str = ""
    server: str = ""
    method: str = ""
    capability: str = ""
    caller: str = ""
    credential: str = ""
    client: str = ""
    client_version: str = ""
    era_in: str = ""
    era_out: str = ""
    outcome: str = "ok"
    """ok · tool_error · error (the upstream's own JSON-RPC error) · refused · failed · gone (the client left)."""
    reason: str = ""
    """Fixed word for every outcome but ok."""
    http_status: int = 0
    upstream_s: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    call_id: str | int | None = None
    """Of the request, under which its answer goes whatever happens. Not written."""
    may_stream: bool = False
    """True once it is known that an event stream can answer this call. Not written."""

    def fail(self, outcome: str, reason: str) -> None:
        """Note how the call ended, unless an earlier step already did."""
        if self.outcome == "ok":
            self.outcome, self.reason = outcome, reason

    def part(self) -> "CallRecord":
        """The record of one call in a batch."""
        return replace(self, started=time.perf_counter(), outcome="ok", reason="", http_status=200, upstream_s=0.0)

    def line(self) -> dict[str, Any]:
        """The record as written. `time` is Unix time in seconds; durations are milliseconds."""
        total_s = time.perf_counter() - self.started
        return {
            "type": "call",
            "time": round(time.time(), 3),
            "request_id": self.request_id,
            "trace_id": self.trace_id,
            "workspace": self.workspace,
            "server": self.server,
            "method": self.method,
            "capability": self.capability,
            "caller": self.caller,
            "credential": self.credential,
            "client": self.client,
            "client_version": self.client_version,
            "era_in": self.era_in,
            "era_out": self.era_out,
            "outcome": self.outcome,
            "reason": self.reason,
            "status": self.http_status,
            "ms_total": round(total_s * 1000, 2),
            "ms_upstream": round(self.upstream_s * 1000, 2),
            "ms_own": round(max(total_s - self.upstream_s, 0.0) * 1000, 2),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }


def outcome_of(problem: GatewayError) -> tuple[str, str]:
    """Outcome and reason of a call that ended with `problem`."""
    return ("failed" if isinstance(problem, UpstreamError | StoreUnavailable) else "refused"), problem.reason


def trace_id_of(traceparent: str | None) -> str:
    """The trace that a request belongs to: the caller's (W3C Trace Context section 3.2), or a new one."""
    match = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else secrets.token_hex(16)


def traceparent_for(trace_id: str) -> str:
    """The header that makes the upstream's work a child of this call."""
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"


class JsonLines(logging.Formatter):
    """Log lines as one JSON object each; an event's `fields` stand beside it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. A stack trace is one of its fields, so that no text can forge a line."""
        line: dict[str, Any] = {
            "type": "log",
            "time": round(record.created, 3),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, separators=(",", ":"))


def write_logs(level: str) -> None:
    """Send log lines of `level` and above to standard error, as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
