"""Logging: one line per event, in JSON unless a person reads it."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, TextIO

import structlog

from services.runtime.failures import describe, trace
from services.runtime.settings import ProcessSettings

_Formatter = structlog.stdlib.ProcessorFormatter
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_QUIET = ("aiormq", "opentelemetry.exporter")
"""Libraries that log what we report ourselves."""


def setup_logs(
    settings: ProcessSettings, stage: str, output: TextIO | None = None
) -> structlog.typing.FilteringBoundLogger:
    """Set up structlog and the standard library's logging for this process; return the stage's logger."""
    stream = output or sys.stderr
    level = _LEVELS[settings.log_level]
    console = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_quotations,
    ]
    render = structlog.dev.ConsoleRenderer(colors=stream.isatty()) if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(foreign_pre_chain=shared, processors=[_Formatter.remove_processors_meta, render]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(stage=stage, instance=settings.instance)
    return logger


def log_unhandled(log: structlog.typing.FilteringBoundLogger) -> None:
    """Make the running event loop log uncaught errors, such as that of a task that was never awaited."""

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        details = {"error": describe(error), "trace": trace(error)} if isinstance(error, BaseException) else {}
        log.error("unhandled", what=context.get("message"), **details)

    asyncio.get_running_loop().set_exception_handler(report)


def _without_quotations(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace an exception by its type and traceback: its text and its frames' variables may contain mail."""
    error = event.pop("exc_info", None)
    if error is True or isinstance(error, tuple):
        error = sys.exc_info()[1] if error is True else error[1]
    if isinstance(error, BaseException):
        event.setdefault("error", describe(error))
        event["trace"] = trace(error)
    return event
