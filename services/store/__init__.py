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

from services.store.access.views import (
    Explanation,
    FoundEmail,
    HeldCopy,
    Obstacle,
    Page,
    ShownEmail,
    SuggestedAddress,
    VisibleEmail,
)
from services.store.admin.checkup import DatabaseFacts
from services.store.admin.erasing import ErasureCounts
from services.store.admin.exporting import Dossier
from services.store.admin.previewing import Effect, Preview
from services.store.admin.removal import RemovalCounts
from services.store.core.audit import OPERATOR, AuditEntry
from services.store.core.config import StoreConfig
from services.store.core.documents import now
from services.store.core.errors import (
    AlreadyExistsError,
    FolderChangedError,
    LeaseLostError,
    NotAllowedError,
    NotFoundError,
    StoreError,
)
from services.store.core.pending_work import WorkId
from services.store.crm.record_crm import NewRecord
from services.store.crm.record_watch import RecordChange, RecordChangeBatch
from services.store.mail.blob_refs import copy_ref, dead_ref, email_ref
from services.store.mail.blobs import blobs_of
from services.store.mail.dead_letters import DeadLetter
from services.store.mail.emails import BriefEmail
from services.store.mail.links import LinkAddition
from services.store.store import Store
from services.store.sync.accounts import new_account_id
from services.store.sync.backlog import Waiting
from services.store.sync.folders import FolderPatch
from services.store.sync.ledger_matcher import Final
from services.store.sync.ledger_queries import KnownUid, LiveRow, Twin, TwinQuery
from services.store.sync.progress import AccountGroup, OpenBackfill
from services.store.sync.status import AccountStatus, EpochReport, FolderReport

__all__ = [
    "OPERATOR",
    "AccountGroup",
    "AccountStatus",
    "AlreadyExistsError",
    "AuditEntry",
    "BriefEmail",
    "DatabaseFacts",
    "DeadLetter",
    "Dossier",
    "Effect",
    "EpochReport",
    "ErasureCounts",
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
    "Obstacle",
    "OpenBackfill",
    "Page",
    "Preview",
    "RecordChange",
    "RecordChangeBatch",
    "RemovalCounts",
    "ShownEmail",
    "Store",
    "StoreConfig",
    "StoreError",
    "SuggestedAddress",
    "Twin",
    "TwinQuery",
    "VisibleEmail",
    "Waiting",
    "WorkId",
    "blobs_of",
    "copy_ref",
    "dead_ref",
    "email_ref",
    "new_account_id",
    "now",
]
