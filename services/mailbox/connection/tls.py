"""TLS 1.2 or later. Certificates are always verified against the name that the user typed."""

from __future__ import annotations

import ssl
from pathlib import Path

from services.mailbox.connection.errors import Code, MailServerError


def client_context(ca_file: str | Path | None = None) -> ssl.SSLContext:
    """Return a context to share among connections: loading the CAs takes milliseconds and memory.

    Args:
        ca_file: PEM file of further authorities (``LEADMAIL_CA_FILE``), trusted in addition to the system's: for servers with a
            private CA. With it, Python 3.13's strict X.509 check (RFC 5280 section 4.2.1.1: an Authority Key Identifier) is
            relaxed to what earlier versions do, since private CAs often lack that extension; the chain, the dates and the
            name are checked all the same.

    Raises:
        ValueError: the file cannot be read or contains no certificate; the message says so.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise ValueError(
                f"The CA file {str(ca_file)!r} cannot be used: give a readable PEM file with certificates"
            ) from error
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def tls_error(error: Exception) -> MailServerError:
    """Translate what a TLS handshake raised: ``certificate``, ``tls-failed`` or ``timeout``."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return MailServerError(Code.CERTIFICATE, f"the server's certificate was not accepted: {error.verify_message}")
    if isinstance(error, TimeoutError):
        return MailServerError(Code.TIMEOUT, "the server did not finish the encrypted handshake in time")
    if isinstance(error, ssl.SSLError) and error.reason in {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "HTTP_REQUEST",
    }:
        return MailServerError(Code.TLS_FAILED, "this port does not speak TLS from the start")
    if isinstance(error, ssl.SSLError) and error.reason in {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"}:
        return MailServerError(Code.TLS_FAILED, "the server offers only TLS versions that are no longer safe")
    return MailServerError(Code.TLS_FAILED, "no encrypted connection could be established")
