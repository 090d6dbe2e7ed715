"""The ledger: one row a copy. Each stage's part of it is a module of its own (``ledger_poller``, ``ledger_matcher`` ...)."""

from __future__ import annotations

from services.store.collections import Collections
from services.store.config import StoreConfig
from services.store.fence import Fence
from services.store.folders import Folders
from services.store.ledger_counts import LedgerCounts
from services.store.ledger_matcher import MatcherLedger
from services.store.ledger_operator import OperatorLedger
from services.store.ledger_poller import PollerLedger
from services.store.ledger_queries import LedgerQueries


class Ledger(PollerLedger, MatcherLedger, OperatorLedger, LedgerQueries, LedgerCounts):
    """Everything about rows."""

    def __init__(self, collections: Collections, fence: Fence, folders: Folders, config: StoreConfig) -> None:
        PollerLedger.__init__(self, collections, fence, folders)
        MatcherLedger.__init__(self, collections)
        OperatorLedger.__init__(self, collections)
        LedgerQueries.__init__(self, collections, config)
        LedgerCounts.__init__(self, collections)
