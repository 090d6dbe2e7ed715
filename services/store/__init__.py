"""The store: the only place that knows collections, indexes and queries.

``Store(database, crm, config)`` has an attribute for each subject (see ``store.py``); what they do, by who calls it:

- poller: ``leases``, ``accounts.of_holder``, ``folders``, ``ledger`` (``ledger_poller``), ``epochs.open/seal``,
  ``records.known``, ``emails.known_ids``
- parser: ``blobs``
- matcher: ``emails``, ``links``, ``ledger`` (``ledger_matcher``), ``records``, ``sharing.recompute``, ``summaries``,
  ``epochs.complete_if_done``, ``dead_letters``, ``backlog``, ``progress``, and the sweepers' ``ledger.to_relink``, ``sharing.resume``,
  ``emails.unlinked``, ``blob_sweep.run``
- notifier: ``epochs.claim…``, ``status.report``, ``attention``
- command line and console: ``users``, ``company``, ``accounts``, ``aliases``, ``sharing.set_…``, ``previewing``, ``removal``,
  ``records``, ``status``, ``audit``, and ``reading``, the only way for people to mail

Imports ``schemas`` only. Needs a replica set (transactions, change streams), MongoDB 6.0 or later.
"""

from services.store.accounts import new_account_id
from services.store.backlog import Waiting
from services.store.blob_refs import copy_ref, dead_ref, email_ref
from services.store.checkup import DatabaseFacts
from services.store.config import StoreConfig
from services.store.dead_letters import DeadLetter
from services.store.errors import (
    AlreadyExistsError,
    FolderChangedError,
    LeaseLostError,
    NotAllowedError,
    NotFoundError,
    StoreError,
)
from services.store.folders import FolderPatch
from services.store.ledger_matcher import Final
from services.store.ledger_queries import KnownUid, LiveRow, Twin, TwinQuery
from services.store.links import LinkAddition
from services.store.previewing import Effect, Preview
from services.store.progress import AccountGroup, OpenBackfill
from services.store.record_crm import NewRecord
from services.store.record_watch import Noticed, RecordChange
from services.store.status import AccountStatus, EpochReport, FolderReport
from services.store.store import Store
from services.store.views import (
    Explanation,
    FoundEmail,
    HeldCopy,
    Obstacle,
    Page,
    ShownEmail,
    SuggestedAddress,
    VisibleEmail,
)

__all__ = [
    "AccountGroup",
    "AccountStatus",
    "AlreadyExistsError",
    "DatabaseFacts",
    "DeadLetter",
    "Effect",
    "EpochReport",
    "Explanation",
    "Final",
    "FolderChangedError",
    "FolderPatch",
    "FolderReport",
    "FoundEmail",
    "HeldCopy",
    "KnownUid",
    "LeaseLostError",
    "LinkAddition",
    "LiveRow",
    "NewRecord",
    "NotAllowedError",
    "NotFoundError",
    "Noticed",
    "Obstacle",
    "OpenBackfill",
    "Page",
    "Preview",
    "RecordChange",
    "ShownEmail",
    "Store",
    "StoreConfig",
    "StoreError",
    "SuggestedAddress",
    "Twin",
    "TwinQuery",
    "VisibleEmail",
    "Waiting",
    "copy_ref",
    "dead_ref",
    "email_ref",
    "new_account_id",
]
