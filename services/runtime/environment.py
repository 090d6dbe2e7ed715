"""Reads ``LEADMAIL_*`` variables and the files that ``LEADMAIL_*_FILE`` name, and explains in one sentence what is wrong."""

from __future__ import annotations

import base64
import binascii
import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretBytes, ValidationError
from pydantic.fields import FieldInfo

from schemas.errors import LeadmailError

PREFIX = "LEADMAIL_"
KEY_BYTES = 32
_MAX_FILE = 64 * 1024


_REASONS = {
    **dict.fromkeys(("int_parsing", "int_parsing_size", "int_from_float"), "it has to be a whole number"),
    **dict.fromkeys(("float_parsing", "finite_number"), "it has to be a number"),
    "bool_parsing": "it has to be true or false",
    "greater_than": "it has to be more than {gt}",
    "greater_than_equal": "it has to be at least {ge}",
    "less_than": "it has to be less than {lt}",
    "less_than_equal": "it has to be at most {le}",
    "string_too_short": "it is empty",
    "too_short": "it is empty",
    "string_pattern_mismatch": "it has another form",
}
"""What is wrong with a value, by pydantic's types of errors."""


class SettingsError(LeadmailError):
    """A setting is missing or wrong; the text is one sentence that names it and says what to do."""


def variable(field: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + field.upper()


def environment(fields: Iterable[str]) -> dict[str, str]:
    """Return the settings that the environment has. An empty variable counts as not set: compose files produce such.

    Raises:
        SettingsError: a setting is there twice, or its file cannot be read.
    """
    return {field: value for field in fields if (value := _value(variable(field)))}


def _value(name: str) -> str | None:
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value and path:
        raise SettingsError(f"{name} and {name}_FILE are both set: unset one of them.")
    return _read(name, path) if path else value


def _read(name: str, path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_MAX_FILE).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(
            f"{name}_FILE names {path!r}, which cannot be read ({why}): correct the path or its permissions."
        ) from error


def split_list(value: Any, separator: str) -> Any:
    """Return the parts of a text without blanks; other things unchanged."""
    return tuple(part.strip() for part in value.split(separator) if part.strip()) if isinstance(value, str) else value


def decode_key(text: str) -> SecretBytes:
    """Return the 32 bytes that a text encodes in hex or base64 (either alphabet).

    Raises:
        ValueError: it encodes something else.
    """
    text = text.strip()
    try:
        key = (
            bytes.fromhex(text)
            if len(text) == 2 * KEY_BYTES
            else base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
        )
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"it has to be {KEY_BYTES} bytes in base64 or hex, as `openssl rand -base64 {KEY_BYTES}` prints them"
        )
    return SecretBytes(key)


def require_http_url(text: str) -> None:
    """Check a URL.

    Raises:
        ValueError: it is not the URL of a web server.
    """
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or url.query or url.fragment:
        raise ValueError("it has to be a URL that starts with http:// or https://, without a query")


def read_origin(text: str) -> str:
    """Return the origin that a URL names (RFC 6454): scheme, host and port.

    Raises:
        ValueError: it has more or fewer parts.
    """
    from yarl import URL  # noqa: PLC0415 - few settings are origins, and it is slow to load

    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host or url.user or url.path_qs not in ("", "/") or url.fragment:
        raise ValueError("it has to be http:// or https:// with a host and nothing after it")
    return str(url.origin())


def missing(fields: Mapping[str, FieldInfo], name: str) -> SettingsError:
    """Return the error for a field that has to be set."""
    return SettingsError(
        f"{variable(name)} is not set: {_advice(fields[name])} (or put it into a file that {variable(name)}_FILE names)."
    )


def wrong(fields: Mapping[str, FieldInfo], error: ValidationError) -> SettingsError:
    """Return the error for the first field that pydantic refused; never repeats the value, which may be a secret."""
    name = str(error.errors(include_url=False, include_input=False)[0]["loc"][0])
    return SettingsError(f"{variable(name)} is wrong ({reason(error)}): {_advice(fields[name])}.")


def reason(error: ValidationError) -> str:
    """Return what is wrong with the first value that pydantic refused, in our own words and without the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    limits = {name: str(value).removesuffix(".0") for name, value in first.get("ctx", {}).items()}
    if first["type"] == "value_error":
        why = first["msg"].removeprefix("Value error, ")
        return why[:1].lower() + why[1:]
    if first["type"] == "literal_error":
        expected = limits["expected"].replace("'", "")
        return f"it has to be {expected}"
    return _REASONS.get(first["type"], "it cannot be read").format(**limits)


def _advice(field: FieldInfo) -> str:
    example = next((str(example) for example in field.examples or () if example), "")
    return f"give {field.description}" + (f", for example {example}" if example else "")


def unknown_variables(fields: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables with our prefix that are not settings, each with the most similar setting or ``""``.

    This is not an error: Kubernetes sets such variables itself for a service whose name starts with the prefix.
    """
    names = [variable(field) for field in fields]
    known = {*names, *(f"{name}_FILE" for name in names)}
    return {
        name: next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.8)), "")
        for name in environ
        if name.startswith(PREFIX) and name not in known
    }
