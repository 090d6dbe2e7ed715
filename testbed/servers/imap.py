"""A mailbox as another program sees it: the standard library's client, no code of the services."""

from __future__ import annotations

import base64
import imaplib
import re
import socket

_TIMEOUT_S = 60
_OWN = re.compile(rb'\(\("([^"]*)" "([^"])"')


def log_in(host: str, port: int, username: str, password: str) -> imaplib.IMAP4:
    """Return a client that is logged in, in plain text; use it as a context manager to log out.

    APPEND ends with a separate small write. Without TCP_NODELAY it waits for the answer to the one before, which a server
    behind another machine's (or a container's) network gives after 40 ms.

    Raises:
        OSError: no server answers.
        imaplib.IMAP4.error: the login is refused.
    """
    client = imaplib.IMAP4(host, port, timeout=_TIMEOUT_S)
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.login(username, password)
    return client


def quoted(folder: str, client: imaplib.IMAP4) -> str:
    """Return a folder of the user's own as the server writes it, quoted.

    Args:
        folder: its name in plain text, levels separated by a slash.
        client: tells where the user's own folders are (NAMESPACE, RFC 2342): "A/B" is "INBOX.A.B" in Courier.
    """
    _, answer = client.namespace()
    found = _OWN.match(answer[0] or b"")
    if found and folder != "INBOX":
        folder = found[1].decode() + folder.replace("/", found[2].decode())
    return _utf7(folder)


def _utf7(folder: str) -> str:
    """Return a name in IMAP's modified UTF-7 (RFC 3501 section 5.1.3), quoted."""
    out: list[str] = []
    run = ""

    def flush() -> None:
        nonlocal run
        if run:
            encoded = base64.b64encode(run.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
            out.append(f"&{encoded.decode()}-")
            run = ""

    for char in folder:
        if " " <= char <= "~":
            flush()
            out.append("&-" if char == "&" else char)
        else:
            run += char
    flush()
    return '"' + "".join(out).replace("\\", "\\\\").replace('"', '\\"') + '"'
