"""Real servers on this machine, as child processes or containers: `LEADMAIL_HOSTING` decides.

- ``servers``: `LocalServers`, which starts all parts and stops, kills or restarts one
- ``addresses``: the endpoints and `LEADMAIL_*` settings of running servers
- ``choice``: decides between processes and containers
- ``hosting``: makes each part in the chosen way
- ``container_part``: one server as a container
- ``containers``: all servers as containers
- ``mail_containers``: the mail servers among them
- ``container_reaper``: removes the containers of a run that was killed
- ``images``: builds and pulls container images
- ``own_settings``: the settings of a deployment of its own on them
- ``settings_file``: a file with which another terminal uses running servers
"""

from testbed.local.own_settings import own_settings
from testbed.local.servers import PARTS, LocalServers
from testbed.processes.parts import HostingError, ImapEndpoint, LmtpEndpoint, SmtpEndpoint
from testbed.servers.smtp import SentMail

__all__ = [
    "PARTS",
    "HostingError",
    "ImapEndpoint",
    "LmtpEndpoint",
    "LocalServers",
    "SentMail",
    "SmtpEndpoint",
    "own_settings",
]
