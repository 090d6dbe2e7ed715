"""Dovecot's configuration file in the syntax of 2.3 (Debian 12, Ubuntu 24.04) and of 2.4 (Debian 13)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from testbed.processes.parts import HostingError

_FOLDERS = {"Drafts": "Drafts", "Sent": "Sent", "Trash": "Trash", "Junk": "Junk", "Archive": "Archive"}


@dataclass(frozen=True, slots=True)
class DovecotSettings:
    """What differs between a process on the host and a container; paths are as the server sees them."""

    run: PurePath  #: sockets and state; a short path, since a socket's is limited to 108 bytes
    mail: PurePath  #: one folder a user
    users: PurePath  #: a folder of passwd-files, one a user
    certificate: PurePath
    key: PurePath
    log: str  #: a path, or /dev/stderr
    listen: str
    imap_port: int
    imaps_port: int
    lmtp_port: int
    user: str  #: all of Dovecot runs as this one user, so that it needs no root
    group: str
    introspection: str = ""  #: where OAuth2 tokens are asked about; empty if no tokens are taken
    oauth2: str = ""  #: the file with the settings for that


def dovecot_config(version: str, settings: DovecotSettings) -> str:
    """Return the text of dovecot.conf for what `dovecot --version` said.

    Raises:
        HostingError: for a version whose syntax is not known.
    """
    if version.startswith("2.3."):
        tokens = _V23_TOKENS.format(s=settings) if settings.introspection else ""
        return _shared(settings, endless="service_count = 0") + _V23.format(s=settings) + tokens
    if version.startswith("2.4."):
        # The two version settings must come first in a 2.4 file.
        versions = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
        return versions + _shared(settings, endless="restart_request_count = unlimited") + _V24.format(s=settings)
    raise HostingError(f"Dovecot {version or '(no version)'} is not known here: install 2.3 or 2.4")


def _shared(settings: DovecotSettings, *, endless: str) -> str:
    mailboxes = "".join(
        f"  mailbox {name} {{\n    special_use = \\{use}\n    auto = subscribe\n  }}\n"
        for name, use in _FOLDERS.items()
    )
    return _SHARED.format(s=settings, mailboxes=mailboxes, endless=endless)


_SHARED = """\
protocols = imap lmtp
listen = {s.listen}
base_dir = {s.run}
state_dir = {s.run}/state
log_path = {s.log}
default_internal_user = {s.user}
default_internal_group = {s.group}
default_login_user = {s.user}
default_process_limit = 1000
default_client_limit = 5000
mail_uid = {s.user}
mail_gid = {s.group}
# System users such as `mail` have low numbers.
first_valid_uid = 1
auth_failure_delay = 0 sec
ssl = yes

namespace inbox {{
  inbox = yes
  separator = /
{mailboxes}}}

protocol imap {{
  # One address, the loopback, is every client.
  mail_max_userip_connections = 10000
}}

# Without root nothing can change root or user.
service anvil {{
  chroot =
  # All logins come from one address: a wrong password must not slow down the right ones after it.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  # One process serves all logins: thousands of idle TLS connections live in it.
  {endless}
  inet_listener imap {{
    port = {s.imap_port}
  }}
  inet_listener imaps {{
    port = {s.imaps_port}
    ssl = yes
  }}
}}
service lmtp {{
  user = {s.user}
  inet_listener lmtp {{
    port = {s.lmtp_port}
  }}
}}
"""

_V23 = """
disable_plaintext_auth = no
auth_mechanisms = plain login
ssl_cert = <{s.certificate}
ssl_key = <{s.key}
mail_location = maildir:~/Maildir
namespace public {{
  type = public
  prefix = Public/
  separator = /
  location = maildir:~/public
  list = children
  subscriptions = no
}}
passdb {{
  driver = passwd-file
  args = username_format=%Lu {s.users}/%Lu
}}
userdb {{
  driver = passwd-file
  args = username_format=%Lu {s.users}/%Lu
  override_fields = uid={s.user} gid={s.group} home={s.mail}/%Lu
}}
"""

_V23_TOKENS = """
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {s.oauth2}
}}
"""


def oauth2_settings(settings: DovecotSettings) -> str:
    """Return the text of the file that Dovecot 2.3 wants beside its configuration."""
    return (
        f"introspection_url = {settings.introspection}\nintrospection_mode = post\nforce_introspection = yes\n"
        "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
    )


_V24 = """
auth_allow_cleartext = yes
auth_mechanisms {{
  plain = yes
  login = yes
}}
ssl_server_cert_file = {s.certificate}
ssl_server_key_file = {s.key}
mail_driver = maildir
mail_path = ~/Maildir
namespace public {{
  type = public
  prefix = Public/
  separator = /
  mail_driver = maildir
  mail_path = ~/public
  list = children
  subscriptions = no
}}
passdb passwd-file {{
  passwd_file_path = {s.users}/%{{user | lower}}
  auth_username_format = %{{user | lower}}
}}
userdb passwd-file {{
  passwd_file_path = {s.users}/%{{user | lower}}
  auth_username_format = %{{user | lower}}
  fields {{
    uid:default = {s.user}
    gid:default = {s.group}
    home:default = {s.mail}/%{{user | lower}}
  }}
}}
"""
