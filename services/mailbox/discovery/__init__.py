"""From an e-mail address to its servers. Imports a DNS client: import it where it is used.

- ``discovery``: ``Discovery``, the order in which sources are asked
- ``dns``: MX, SRV, SPF and autodiscover records
- ``autoconfig``: Mozilla's autoconfig documents
- ``https_get``: fetch a small document through the network guard
- ``probe``: whether a mail server answers at an address
"""

from services.mailbox.discovery.discovery import Discovered, Discovery, of_provider
from services.mailbox.discovery.dns import Dns
from services.mailbox.discovery.https_get import HttpsGet

__all__ = ["Discovered", "Discovery", "Dns", "HttpsGet", "of_provider"]
