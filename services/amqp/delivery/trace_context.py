"""The trace that a message belongs to: W3C trace context in the headers ``traceparent`` and ``tracestate``.

It travels with the message and is passed on explicitly, also by stages that trace nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

PARENT, STATE = "traceparent", "tracestate"
TraceContext = Mapping[str, str]
"""Those of the two headers that a message has."""
UNTRACED: TraceContext = MappingProxyType({})
_MAX_STATE = 512
"""Octets; a longer value may be dropped (W3C Trace Context, section 3.3.1.5)."""
_SAMPLED = 1
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


def context_of(headers: Mapping[str, Any]) -> TraceContext:
    """Return the trace context in a message's headers; a malformed one is dropped."""
    parent = headers.get(PARENT)
    if not isinstance(parent, str) or _FORM.fullmatch(parent) is None:
        return UNTRACED
    state = headers.get(STATE)
    if isinstance(state, str) and len(state) <= _MAX_STATE:
        return {PARENT: parent, STATE: state}
    return {PARENT: parent}


def is_unsampled(context: TraceContext) -> bool:
    """Whether the trace was already excluded by sampling."""
    form = _FORM.fullmatch(context.get(PARENT, ""))
    return form is not None and not int(form[2], 16) & _SAMPLED


def trace_id(context: TraceContext) -> str | None:
    """Return the id of the trace; None if it is not recorded."""
    form = _FORM.fullmatch(context.get(PARENT, ""))
    return form[1] if form is not None and int(form[2], 16) & _SAMPLED else None


def trace_fields(context: TraceContext) -> dict[str, str]:
    """Return the log fields that name the message's trace; none if it is not recorded."""
    return {"trace_id": trace} if context and (trace := trace_id(context)) else {}
