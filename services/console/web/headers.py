"""What browsers are told of each answer: load nothing from elsewhere, run nothing, keep nothing, and let nobody frame it."""

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
"""A mail runs nothing and has no origin; its links open beside."""
_DENIED = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def mail_policy(settings: ConsoleSettings, *, remote: bool) -> str:
    """Return the policy of a page that is somebody's HTML: it has its own styles, and images from elsewhere only when asked for."""
    images = "data: https:" if remote else "data:"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {images}; base-uri 'none'; form-action 'none'; "
        f"sandbox {MAIL_SANDBOX}; frame-ancestors {_ancestors(settings)}"
    )


def protect(response: Response, settings: ConsoleSettings, *, framed: bool) -> None:
    """Add to an answer what it does not say itself."""
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
