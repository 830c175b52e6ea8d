"""Structured logs: one JSON object a line on stdout, with the request and trace they belong to, and without secrets.

No code of ours logs a secret. What others say can hold one all the same, such as the message of an exception or a request
id that a caller chose; so what has the shape of a key of ours is masked in every line.
"""

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
import structlog
from opentelemetry import trace

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered; it is on every line of it."""

_SECRET = re.compile(rb"(ft_)[0-9A-Fa-f]{32,}|(whsec_|whsk_)[A-Za-z0-9+/=_-]{16,}")


def _request_id(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event


def _trace_ids(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def _dumps(event: Any, **_: Any) -> bytes:
    """One line, whatever is in it: what orjson refuses (lone surrogates, huge numbers) is written with escapes."""
    try:
        line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        line = json.dumps(event, default=str).encode()
    if b"ft_" in line or b"whs" in line:
        return _SECRET.sub(rb"\1\2****", line)
    return line


def configure(service: str, level: str) -> None:
    """Send structlog's and the standard library's records of this process to stdout as JSON lines."""
    number = _LEVELS[level]
    shared: list[structlog.typing.Processor] = [
        _request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _trace_ids,
        structlog.processors.format_exc_info,
    ]

    def named(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    structlog.configure(
        processors=[*shared, named, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, named],
            processor=structlog.processors.JSONRenderer(serializer=lambda event, **_: _dumps(event).decode()),
        ),
    )
    _Access.service = service if number <= logging.INFO else None
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


class _Access:
    service: ClassVar[str | None] = None
    """Whose lines they are; None where nobody wants them."""


def access(event: dict[str, Any]) -> None:
    """Write the line of a request, at the level `info`: as any other, but past the chain of processors, which costs more than it says."""
    if _Access.service is None:
        return
    now = datetime.now(UTC).replace(tzinfo=None).isoformat() + "Z"
    event = {**event, "level": "info", "service": _Access.service, "timestamp": now}
    sys.stdout.buffer.write(_dumps(_trace_ids(None, "info", _request_id(None, "info", event))) + b"\n")
    sys.stdout.buffer.flush()


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger
