"""Leads and contacts: the CRM's documents, the index of their addresses, the watch over their changes."""

from __future__ import annotations

from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.crm.record_addresses import RecordAddresses
from services.store.crm.record_crm import RecordCrm
from services.store.crm.record_watch import RecordWatch


class Records(RecordAddresses, RecordCrm, RecordWatch):
    """Everything about records; the parts are in ``record_addresses``, ``record_crm`` and ``record_watch``."""

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        RecordAddresses.__init__(self, collections, config)
        RecordCrm.__init__(self, collections, config)
        RecordWatch.__init__(self, collections, config)
