"""The ledger: one row a copy. Each stage's part of it is a module of its own (``ledger_poller``, ``ledger_matcher`` ...)."""

from __future__ import annotations

from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.fence import Fence
from services.store.sync.folders import Folders
from services.store.sync.ledger_counts import LedgerCounts
from services.store.sync.ledger_matcher import MatcherLedger
from services.store.sync.ledger_operator import OperatorLedger
from services.store.sync.ledger_poller import PollerLedger
from services.store.sync.ledger_queries import LedgerQueries


class Ledger(PollerLedger, MatcherLedger, OperatorLedger, LedgerQueries, LedgerCounts):
    """Everything about rows."""

    def __init__(self, collections: Collections, fence: Fence, folders: Folders, config: StoreConfig) -> None:
        PollerLedger.__init__(self, collections, fence, folders)
        MatcherLedger.__init__(self, collections)
        OperatorLedger.__init__(self, collections)
        LedgerQueries.__init__(self, collections, config)
        LedgerCounts.__init__(self, collections)
