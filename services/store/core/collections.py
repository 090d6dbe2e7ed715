"""Every collection of the two databases, by name."""

from __future__ import annotations

from schemas.records import RecordKind
from services.store.core.config import StoreConfig
from services.store.core.documents import CODEC, Database, Documents


class Collections:
    """Handles to the collections. Making them sends nothing to the server."""

    def __init__(self, database: Database, crm: Database, config: StoreConfig) -> None:
        self.database = database.with_options(codec_options=CODEC)
        self.crm = crm.with_options(codec_options=CODEC)
        self.client = database.client

        self.users: Documents = self.database["users"]
        self.settings: Documents = self.database["settings"]
        """``_id`` company: the administrator's sharing policy; ``_id`` marks: which key makes marks, see ``mark_keys``."""
        self.accounts: Documents = self.database["accounts"]
        self.folders: Documents = self.database["folders"]
        self.epochs: Documents = self.database["epochs"]
        self.ledger: Documents = self.database["ledger"]
        self.ledger_counts: Documents = self.database["ledger_counts"]
        """What was last counted of each account's rows, and when."""
        self.emails: Documents = self.database["emails"]
        self.links: Documents = self.database["links"]
        self.tombstones: Documents = self.database["tombstones"]
        self.deleted_emails: Documents = self.database["deleted_emails"]
        """Emails with a tombstone whose deletion can still be undone."""
        self.addresses: Documents = self.database["addresses"]
        self.erasures: Documents = self.database["erasures"]
        self.counters: Documents = self.database["counters"]
        """``_id`` addresses: the version of the address index; watch: the change stream's resume token; caught-up: only written."""
        self.key_holders: Documents = self.database["key_holders"]
        """Which keys each running poller and matcher has, by the process's name."""
        self.pollers: Documents = self.database["pollers"]
        self.budgets: Documents = self.database["budgets"]
        """What was used of a mail service's budget in a span of time; they expire."""
        self.singleton_leases: Documents = self.database["turns"]
        """Keeps its first name: an older version that runs beside this one must find the same leases."""
        self.sign_in_links: Documents = self.database["sign_in_links"]
        self.sessions: Documents = self.database["sessions"]
        self.pending_sign_ins: Documents = self.database["pending_sign_ins"]
        """Sign-ins at other services that a browser has started; they expire."""
        self.attempts: Documents = self.database["attempts"]
        self.scim_tokens: Documents = self.database["scim_tokens"]
        self.groups: Documents = self.database["groups"]
        self.address_codes: Documents = self.database["address_codes"]
        self.migrations: Documents = self.database["migrations"]
        """``_id``: the number of a migration that is done."""
        self.withdrawals: Documents = self.database["withdrawals"]
        self.pending_work: Documents = self.database["debts"]
        """Keeps its first name: work that an older version enqueues during an upgrade must be found here."""
        self.dead_letters: Documents = self.database["dead_letters"]
        self.audit: Documents = self.database["audit"]
        self.blob_files: Documents = self.database["blobs.files"]
        self.blob_chunks: Documents = self.database["blobs.chunks"]
        self.records: dict[RecordKind, Documents] = {
            "lead": self.crm[config.leads],
            "contact": self.crm[config.contacts],
        }
