"""What is known of accounts: the parts of the store for mailboxes and their ledgers, and what all parts build on."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Database

if TYPE_CHECKING:
    from services.store.core.address_proofs import AddressProofs
    from services.store.core.audit import Audit
    from services.store.core.colleagues import Colleagues
    from services.store.core.fence import Fence
    from services.store.core.mark_keys import MarkKeys
    from services.store.core.pending_work import PendingWork
    from services.store.core.singleton_lease import SingletonLease
    from services.store.ledger.cached_counts import CachedCounts
    from services.store.ledger.folders import Folders
    from services.store.ledger.ledger import Ledger
    from services.store.ledger.ledger_counts import LedgerCounts
    from services.store.ledger.ledger_doubts import LedgerDoubts
    from services.store.ledger.ledger_matcher import MatcherLedger
    from services.store.ledger.ledger_operator import OperatorLedger
    from services.store.ledger.ledger_poller import PollerLedger
    from services.store.ledger.message_ids import MessageIds
    from services.store.ledger.remarking import Remarking
    from services.store.sync.account_tokens import AccountTokens
    from services.store.sync.account_troubles import AccountTroubles
    from services.store.sync.accounts import Accounts
    from services.store.sync.attention import Attention, TroubleMails
    from services.store.sync.backlog import Backlog
    from services.store.sync.blocked_accounts import BlockedAccounts
    from services.store.sync.budgets import Budgets
    from services.store.sync.epochs import Epochs
    from services.store.sync.former_accounts import FormerAccounts
    from services.store.sync.host_connections import HostConnections
    from services.store.sync.leases import Leases
    from services.store.sync.progress import Progress
    from services.store.sync.relay_refresh import RelayRefresh


class AccountStore:
    """The parts of the store that know neither mail nor records; see ``Store``. A part is imported when it is first used."""

    def __init__(
        self, database: Database, crm: Database, config: StoreConfig, *, for_leases: Database | None = None
    ) -> None:
        self._collections = c = Collections(database, crm, config)
        self._config = config
        self._lease_collections = c if for_leases is None else Collections(for_leases, crm, config)

    @cached_property
    def _fence(self) -> Fence:
        from services.store.core.fence import Fence

        return Fence(self._collections)

    @cached_property
    def audit(self) -> Audit:
        from services.store.core.audit import Audit

        return Audit(self._collections, self._fence)

    @cached_property
    def singleton_lease(self) -> SingletonLease:
        from services.store.core.singleton_lease import SingletonLease

        return SingletonLease(self._collections)

    @cached_property
    def pending_work(self) -> PendingWork:
        from services.store.core.pending_work import PendingWork

        return PendingWork(self._collections)

    @cached_property
    def mark_keys(self) -> MarkKeys:
        from services.store.core.mark_keys import MarkKeys

        return MarkKeys(self._collections, self._config)

    @cached_property
    def colleagues(self) -> Colleagues:
        from services.store.core.colleagues import Colleagues

        return Colleagues(self._collections, self.pending_work)

    @cached_property
    def address_proofs(self) -> AddressProofs:
        from services.store.core.address_proofs import AddressProofs

        return AddressProofs(self._collections, fence=self._fence, colleagues=self.colleagues, audit=self.audit)

    @cached_property
    def former_accounts(self) -> FormerAccounts:
        from services.store.sync.former_accounts import FormerAccounts

        return FormerAccounts(self._collections)

    @cached_property
    def accounts(self) -> Accounts:
        from services.store.sync.accounts import Accounts

        return Accounts(
            self._collections,
            colleagues=self.colleagues,
            address_proofs=self.address_proofs,
            former_accounts=self.former_accounts,
            audit=self.audit,
        )

    @cached_property
    def account_tokens(self) -> AccountTokens:
        from services.store.sync.account_tokens import AccountTokens

        return AccountTokens(self._collections, self._fence, self.accounts)

    @cached_property
    def relay_refresh(self) -> RelayRefresh:
        from services.store.sync.relay_refresh import RelayRefresh

        return RelayRefresh(self._collections)

    @cached_property
    def account_troubles(self) -> AccountTroubles:
        from services.store.sync.account_troubles import AccountTroubles

        return AccountTroubles(self._collections, self._fence)

    @cached_property
    def leases(self) -> Leases:
        from services.store.sync.leases import Leases

        return Leases(self._collections, self._config, self._fence, self._lease_collections)

    @cached_property
    def folders(self) -> Folders:
        from services.store.ledger.folders import Folders

        return Folders(self._collections, self._fence)

    @cached_property
    def epochs(self) -> Epochs:
        from services.store.sync.epochs import Epochs

        return Epochs(self._collections, self._fence, self.folders)

    @cached_property
    def ledger(self) -> Ledger:
        from services.store.ledger.ledger import Ledger

        return Ledger(self._collections, self._config)

    @cached_property
    def ledger_counts(self) -> LedgerCounts:
        from services.store.ledger.ledger_counts import LedgerCounts

        return LedgerCounts(self._collections)

    @cached_property
    def cached_counts(self) -> CachedCounts:
        from services.store.ledger.cached_counts import CachedCounts

        return CachedCounts(self._collections, self.ledger_counts)

    @cached_property
    def poller_ledger(self) -> PollerLedger:
        from services.store.ledger.ledger_poller import PollerLedger

        return PollerLedger(self._collections, self._fence, self.folders)

    @cached_property
    def ledger_doubts(self) -> LedgerDoubts:
        from services.store.ledger.ledger_doubts import LedgerDoubts

        return LedgerDoubts(self._collections, self._fence)

    @cached_property
    def matcher_ledger(self) -> MatcherLedger:
        from services.store.ledger.ledger_matcher import MatcherLedger

        return MatcherLedger(self._collections)

    @cached_property
    def operator_ledger(self) -> OperatorLedger:
        from services.store.ledger.ledger_operator import OperatorLedger

        return OperatorLedger(self._collections)

    @cached_property
    def remarking(self) -> Remarking:
        from services.store.ledger.remarking import Remarking

        return Remarking(self._collections, self._fence)

    @cached_property
    def message_ids(self) -> MessageIds:
        from services.store.ledger.message_ids import MessageIds

        return MessageIds(self._collections, self._config, self._fence)

    @cached_property
    def backlog(self) -> Backlog:
        from services.store.sync.backlog import Backlog

        return Backlog(self._collections)

    @cached_property
    def progress(self) -> Progress:
        from services.store.sync.progress import Progress

        return Progress(self._collections)

    @cached_property
    def attention(self) -> Attention:
        from services.store.sync.attention import Attention

        return Attention(self._collections)

    @cached_property
    def budgets(self) -> Budgets:
        from services.store.sync.budgets import Budgets

        return Budgets(self._collections)

    @cached_property
    def host_connections(self) -> HostConnections:
        from services.store.sync.host_connections import HostConnections

        return HostConnections(self._collections)

    @cached_property
    def trouble_mails(self) -> TroubleMails:
        from services.store.sync.attention import TroubleMails

        return TroubleMails(self._collections)

    @cached_property
    def blocked_accounts(self) -> BlockedAccounts:
        from services.store.sync.blocked_accounts import BlockedAccounts

        return BlockedAccounts(self._collections, audit=self.audit)
