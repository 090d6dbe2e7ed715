"""Courier's configuration (Debian's, but for paths) and commands: all of it runs as one user, from a folder of its own."""

from __future__ import annotations

import pwd
from collections.abc import Mapping
from pathlib import Path

from testbed.processes.parts import HostingError
from testbed.servers.mail.maildirs import Maildirs
from testbed.servers.mail.settings import Commands, MailSettings

_INSTALLED = Path("/run/courier/authdaemon/socket")
_SOCKET = f"{_INSTALLED}\0".encode()
_LIBRARY = "libcourierauth.so.0"
_HALF = 16
_CAPABILITIES = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"


def commands(settings: MailSettings) -> Commands:
    """Write what it reads; return what runs."""
    folder = settings.folder
    settings.own(folder, folder / "mail", folder / "lib")
    combined = folder / "server.pem"
    combined.write_bytes(settings.key.read_bytes() + settings.certificate.read_bytes())
    combined.chmod(0o644)
    logins = _redirect_logins(settings)
    tls = settings.program("usr/bin/couriertls")
    serve = (settings.program("usr/lib/courier/courier/imaplogin"), settings.program("usr/bin/imapd"), "Maildir")
    gamin = settings.program("usr/libexec/gam_server")  # until 5.0; later Couriers ask the kernel, and no ident server
    older = Path(gamin).exists()
    listen = [settings.program("usr/sbin/couriertcpd"), f"-address={settings.listen}", "-nodnslookup"]
    listen += ["-noidentlookup"] if older else []
    limits = ("-maxprocs=500", "-maxperip=500")
    with_tls = ("env", "IMAP_TLS=1", *listen, *limits, str(settings.imaps_port), tls, "-server", "-tcpd", *serve)
    monitor = folder.parent.name  # of the file alteration monitor that Courier asks: one for this server alone
    return Commands(
        commands=(
            *(((gamin, "--notimeout", monitor),) if older else ()),
            (*listen, *limits, str(settings.imap_port), *serve),
            with_tls,
        ),
        environment={
            "LD_LIBRARY_PATH": f"{folder / 'lib'}:{settings.libraries}",
            # STARTTLS changes to the user "courier", whom only an installed package has.
            "IMAP_STARTTLS": "NO",
            "TLS_CERTFILE": str(combined),
            "TLS_VERIFYPEER": "NONE",
            "IMAP_CAPABILITY": f"{_CAPABILITIES} AUTH=PLAIN",
            "IMAP_CAPABILITY_TLS": f"{_CAPABILITIES} AUTH=PLAIN",
            "IMAP_KEYWORDS": "1",
            "IMAP_ACL": "1",
            "IMAP_SHAREDINDEXFILE": str(settings.folder / "shared"),
            "IMAP_IDLE_TIMEOUT": "60",
            "IMAP_MAILBOX_SANITY_CHECK": "1",
            "IMAP_USELOCKS": "1",
            "GAM_CLIENT_ID": monitor,
            "IMAP_ENHANCEDIDLE": "0",
            "IMAP_TRASHFOLDERNAME": "Trash",
            "IMAP_MOVE_EXPUNGE_TO_TRASH": "0",
            "IMAP_UMASK": "022",
        },
        logins=logins,
    )


def account(settings: MailSettings, maildirs: Maildirs, address: str) -> Mapping[str, str | int]:
    """Return what authdaemond says of a user who logged in."""
    who = pwd.getpwnam(settings.user)
    return {"UID": who.pw_uid, "GID": who.pw_gid, "HOME": str(maildirs.home(address)), "ADDRESS": address}


def _redirect_logins(settings: MailSettings) -> Path:
    """Let Courier's library ask a socket in the server's folder, in which all commands run; return the socket.

    The path is compiled in, and belongs to an installed Courier.
    """
    if settings.programs == Path("/"):  # installed, in a container
        settings.own(_INSTALLED.parent)
        return _INSTALLED
    own = f"{'./' * 13}asks\0".encode()  # as long as the one that it replaces
    found = next((path for path in (settings.programs / "usr/lib").rglob(_LIBRARY)), None)
    content = found.read_bytes() if found else b""
    # As the compiler left it: one string, or two overlapping halves that are copied one after the other.
    for before, after in ((_SOCKET, own), (_SOCKET[:_HALF] + _SOCKET[_HALF - 1 :], own[:_HALF] + own[_HALF - 1 :])):
        if content.count(before) == 1:
            (settings.folder / "lib" / _LIBRARY).write_bytes(content.replace(before, after))
            return settings.folder / "asks"
    raise HostingError(f"this Courier's {_LIBRARY} is not known here: set LEADMAIL_HOSTING=containers")
