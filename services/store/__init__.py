"""The store: the only package that knows collections, indexes and queries.

``Store(database, crm, config)`` has one attribute per subject. The classes behind them are in sub-packages:

- ``core``: what the others build on: collections, fenced writes, migrations, pending work, the audit log
- ``sync``: accounts, leases, backfills
- ``ledger``: folders, and one row per copy
- ``crm``: leads and contacts, the index of their addresses, their changes and summaries
- ``mail``: emails, links, blobs, dead letters
- ``access``: users, which records they may read, and the guard
- ``readers``: everything that users read
- ``ownership``: whose mailboxes are: users who leave, and members of shared ones
- ``admin``: sharing policies, removal, privacy requests, diagnostics
- ``account_store``, ``stage_store``, ``reader_store``, ``store``: the class ``Store``, with the parts of it that are below users

It imports only ``schemas``. It needs a replica set (transactions, change streams) and MongoDB 6.0 or later.

A name below loads its module when it is first used, and so does an attribute of ``Store``: a command needs few of them.
"""

from typing import TYPE_CHECKING

from services.front_door import front_door

if TYPE_CHECKING:
    from services.store.access.groups import ProvisionedGroup
    from services.store.access.scim_tokens import ScimToken
    from services.store.admin.aliases import AliasCandidate
    from services.store.admin.checkup import DatabaseFacts
    from services.store.admin.erasing import ErasureCounts
    from services.store.admin.exported import Dossier
    from services.store.admin.key_rotation import KeyUses
    from services.store.admin.previewing import Preview, PreviewEffect
    from services.store.admin.removal import RemovalCounts
    from services.store.core.audit import OPERATOR, AuditEntry
    from services.store.core.config import StoreConfig
    from services.store.core.documents import now
    from services.store.core.errors import (
        AlreadyExistsError,
        ChangedMeanwhileError,
        FolderChangedError,
        LeaseLostError,
        NotAllowedError,
        NotFoundError,
        StoreError,
    )
    from services.store.core.mark_keys import MarkState
    from services.store.core.pending_work import WorkId
    from services.store.crm.own_records import RecordEdit, RecordMail
    from services.store.crm.record_watch import RecordChangeBatch
    from services.store.crm.records import NewRecord
    from services.store.ledger.folders import FolderPatch
    from services.store.ledger.ledger_counts import LEFT_OUT, FolderTotals, sum_of
    from services.store.ledger.ledger_outcomes import RowOutcome
    from services.store.ledger.remarking import RemarkedRow
    from services.store.ledger.row_views import KnownUid, LiveRow, Twin, TwinQuery
    from services.store.mail.blob_refs import copy_ref, dead_ref, email_ref
    from services.store.mail.dead_letters import DeadLetter
    from services.store.mail.deleted_emails import DeletedEmail
    from services.store.mail.emails import BriefEmail
    from services.store.mail.links import LinkAddition
    from services.store.readers.views import (
        DeliveryFailure,
        EmailPage,
        Explanation,
        FoundEmail,
        Obstacle,
        SearchResult,
        ShownEmail,
        SuggestedAddress,
        VisibleCopy,
        VisibleEmail,
    )
    from services.store.store import Store
    from services.store.sync.accounts import new_account_id
    from services.store.sync.backlog import Waiting
    from services.store.sync.host_connections import HostUse, Open, Purpose
    from services.store.sync.leases import Heartbeats
    from services.store.sync.progress import AccountGroup, OpenBackfill, TroubleGroup
    from services.store.sync.status import AccountStatus, EpochReport, FolderReport

__all__ = [
    "LEFT_OUT",
    "OPERATOR",
    "AccountGroup",
    "AccountStatus",
    "AliasCandidate",
    "AlreadyExistsError",
    "AuditEntry",
    "BriefEmail",
    "ChangedMeanwhileError",
    "DatabaseFacts",
    "DeadLetter",
    "DeletedEmail",
    "DeliveryFailure",
    "Dossier",
    "EmailPage",
    "EpochReport",
    "ErasureCounts",
    "Explanation",
    "FolderChangedError",
    "FolderPatch",
    "FolderReport",
    "FolderTotals",
    "FoundEmail",
    "Heartbeats",
    "HostUse",
    "KeyUses",
    "KnownUid",
    "LeaseLostError",
    "LinkAddition",
    "LiveRow",
    "MarkState",
    "NewRecord",
    "NotAllowedError",
    "NotFoundError",
    "Obstacle",
    "Open",
    "OpenBackfill",
    "Preview",
    "PreviewEffect",
    "ProvisionedGroup",
    "Purpose",
    "RecordChangeBatch",
    "RecordEdit",
    "RecordMail",
    "RemarkedRow",
    "RemovalCounts",
    "RowOutcome",
    "ScimToken",
    "SearchResult",
    "ShownEmail",
    "Store",
    "StoreConfig",
    "StoreError",
    "SuggestedAddress",
    "TroubleGroup",
    "Twin",
    "TwinQuery",
    "VisibleCopy",
    "VisibleEmail",
    "Waiting",
    "WorkId",
    "copy_ref",
    "dead_ref",
    "email_ref",
    "new_account_id",
    "now",
    "sum_of",
]

_HOMES = {
    "services.store.access.groups": ("ProvisionedGroup",),
    "services.store.access.scim_tokens": ("ScimToken",),
    "services.store.admin.aliases": ("AliasCandidate",),
    "services.store.admin.checkup": ("DatabaseFacts",),
    "services.store.admin.erasing": ("ErasureCounts",),
    "services.store.admin.exported": ("Dossier",),
    "services.store.admin.key_rotation": ("KeyUses",),
    "services.store.admin.previewing": ("Preview", "PreviewEffect"),
    "services.store.admin.removal": ("RemovalCounts",),
    "services.store.core.audit": ("OPERATOR", "AuditEntry"),
    "services.store.core.config": ("StoreConfig",),
    "services.store.core.documents": ("now",),
    "services.store.core.errors": (
        "AlreadyExistsError",
        "ChangedMeanwhileError",
        "FolderChangedError",
        "LeaseLostError",
        "NotAllowedError",
        "NotFoundError",
        "StoreError",
    ),
    "services.store.core.mark_keys": ("MarkState",),
    "services.store.core.pending_work": ("WorkId",),
    "services.store.crm.own_records": ("RecordEdit", "RecordMail"),
    "services.store.crm.record_watch": ("RecordChangeBatch",),
    "services.store.crm.records": ("NewRecord",),
    "services.store.ledger.folders": ("FolderPatch",),
    "services.store.ledger.ledger_counts": ("LEFT_OUT", "FolderTotals", "sum_of"),
    "services.store.ledger.ledger_outcomes": ("RowOutcome",),
    "services.store.ledger.remarking": ("RemarkedRow",),
    "services.store.ledger.row_views": ("KnownUid", "LiveRow", "Twin", "TwinQuery"),
    "services.store.mail.blob_refs": ("copy_ref", "dead_ref", "email_ref"),
    "services.store.mail.dead_letters": ("DeadLetter",),
    "services.store.mail.deleted_emails": ("DeletedEmail",),
    "services.store.mail.emails": ("BriefEmail",),
    "services.store.mail.links": ("LinkAddition",),
    "services.store.readers.views": (
        "DeliveryFailure",
        "EmailPage",
        "Explanation",
        "FoundEmail",
        "Obstacle",
        "SearchResult",
        "ShownEmail",
        "SuggestedAddress",
        "VisibleCopy",
        "VisibleEmail",
    ),
    "services.store.store": ("Store",),
    "services.store.sync.accounts": ("new_account_id",),
    "services.store.sync.backlog": ("Waiting",),
    "services.store.sync.host_connections": ("HostUse", "Open", "Purpose"),
    "services.store.sync.leases": ("Heartbeats",),
    "services.store.sync.progress": ("AccountGroup", "OpenBackfill", "TroubleGroup"),
    "services.store.sync.status": ("AccountStatus", "EpochReport", "FolderReport"),
}

if not TYPE_CHECKING:
    __getattr__ = front_door(__name__, _HOMES)
