r"""Real servers on this machine, for the demo, the tests and the benchmark.

    with LocalServers() as servers:
        servers.add_user("ana@example.test", "secret")
        servers.deliver("ana@example.test", b"Subject: hello\r\n\r\nhello\r\n")
        print(servers.imap, servers.environment())

They are child processes or containers: `LEADMAIL_HOSTING` says which. `python -m testbed.local up` starts them by hand.
"""

from testbed.local.servers import PARTS, LocalServers
from testbed.processes.parts import HostingError, ImapEndpoint, LmtpEndpoint, SmtpEndpoint
from testbed.servers.smtp import SentMail

__all__ = ["PARTS", "HostingError", "ImapEndpoint", "LmtpEndpoint", "LocalServers", "SentMail", "SmtpEndpoint"]
