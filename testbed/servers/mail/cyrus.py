"""Cyrus' configuration (3.6 to 3.10) and commands: all of it runs as one user, from a folder of its own."""

from __future__ import annotations

import os
import shutil

from testbed.servers.mail.settings import Commands, MailSettings

_BIN = "usr/lib/cyrus/bin"
_USES = ("Drafts", "Sent", "Trash", "Junk", "Archive")
_IMAPD_CONF = """\
configdirectory: {folder}/lib
defaultpartition: default
partition-default: {folder}/spool
proc_path: {folder}/proc
mboxname_lockpath: {folder}/lock
idlesocket: {folder}/run/idle
lmtpsocket: {folder}/run/lmtp
notifysocket: {folder}/run/notify
sievedir: {folder}/sieve
cyrus_user: {user}
cyrus_group: {group}
admins: administrator
# A user is an address.
virtdomains: userid
defaultdomain: cyrus.localhost
# These two are how Cyrus 3 is: folders beside INBOX, levels separated by a slash.
altnamespace: yes
unixhierarchysep: yes
allowplaintext: yes
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {folder}/run/logins/mux
sasl_mech_list: PLAIN LOGIN
tls_server_cert: {certificate}
tls_server_key: {key}
# The first login makes the mailbox.
autocreate_quota: 0
autocreate_inbox_folders: {names}
autocreate_subscribe_folders: {names}
specialusealways: 1
duplicatesuppression: no
munge8bit: no
{uses}
"""
_CYRUS_CONF = """\
START {{
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {conf} -T 2" listen="{listen}{imap}" prefork=0
  imaps cmd="{bin}/imapd -s -C {conf} -T 2" listen="{listen}{imaps}" prefork=0
  lmtp cmd="{bin}/lmtpd -a -C {conf} -T 2" listen="{listen}{lmtp}" prefork=0
}}
EVENTS {{
}}
"""


def commands(settings: MailSettings) -> Commands:
    """Write the configuration; return what runs."""
    folder, binaries = settings.folder, settings.program(_BIN)
    # The lists of logged-in users and of locks are a dead predecessor's.
    for name in ("proc", "lock", "run"):
        shutil.rmtree(folder / name, ignore_errors=True)
    own = [folder / name for name in ("", "lib", "lib/socket", "spool", "proc", "lock", "run", "sieve")]
    settings.own(*own)
    conf, services = folder / "imapd.conf", folder / "cyrus.conf"
    conf.write_text(
        _IMAPD_CONF.format(
            folder=folder,
            user=settings.user,
            group=settings.group,
            certificate=settings.certificate,
            key=settings.key,
            names="|".join(_USES),
            uses="\n".join(f"xlist-{name.lower()}: {name}" for name in _USES),
        )
    )
    services.write_text(
        _CYRUS_CONF.format(
            bin=binaries,
            conf=conf,
            listen="" if settings.listen == "0.0.0.0" else f"{settings.listen}:",  # noqa: S104 - in a container
            imap=settings.imap_port,
            imaps=settings.imaps_port,
            lmtp=settings.lmtp_port,
        )
    )
    master = (settings.program("usr/sbin/cyrmaster"), "-D", "-C", str(conf), "-M", str(services))
    plugins = [*(settings.programs / "usr/lib").glob("*-linux-gnu/sasl2"), "/usr/lib/x86_64-linux-gnu/sasl2"]
    return Commands(
        commands=((*master, "-p", str(folder / "run/master.pid")), (f"{binaries}/idled", "-d", "-C", str(conf))),
        environment={"LD_LIBRARY_PATH": settings.libraries, "SASL_PATH": os.pathsep.join(map(str, plugins))},
        logins=folder / "run" / "logins" / "mux",
        once=((f"{binaries}/ctl_cyrusdb", "-C", str(conf), "-r"),),
    )
