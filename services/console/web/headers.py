"""Security headers of every response: load nothing from other sites, run no inline script, cache nothing, allow no frames."""

from __future__ import annotations

from starlette.responses import Response

from services.settings import ConsoleSettings

POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "frame-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
}
MAIL_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
"""A mail runs no scripts and has no origin; its links open in a new tab."""
_DENIED = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def mail_policy(settings: ConsoleSettings, *, remote: bool) -> str:
    """Return the policy for a mail's HTML: inline styles are allowed, remote images only with ``remote``."""
    images = "data: https:" if remote else "data:"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {images}; base-uri 'none'; form-action 'none'; "
        f"sandbox {MAIL_SANDBOX}; frame-ancestors {_ancestors(settings)}"
    )


def protect(response: Response, settings: ConsoleSettings, *, framed: bool) -> None:
    """Add the security headers that a response does not set itself."""
    ancestors = _ancestors(settings) if framed and settings.console_frames else "'none'"
    policy = "; ".join(f"{name} {value}" for name, value in POLICY.items())
    headers = {
        "Content-Security-Policy": f"{policy}; frame-ancestors {ancestors}",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": _DENIED,
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex, nofollow",
    }
    if settings.console_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    if "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]:
        response.headers.setdefault("X-Frame-Options", "DENY")


def _ancestors(settings: ConsoleSettings) -> str:
    return " ".join(["'self'", *settings.console_frames])
