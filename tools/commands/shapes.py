"""What ``--json`` prints, key by key: for ``docs/commands.md``, and for a test that holds the output against it.

Keys are added, never renamed or taken away. Moments are RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import Any

from tools.commands.shape import And, Anything, Map, Named, Nullable

_RECORD_REF = Named("RecordRef", {"kind": "lead or contact", "id": "of the CRM's document"})
_RECORD = Named(
    "Record",
    {
        "ref": _RECORD_REF,
        "name": "text",
        "owner": "the user's address, or null",
        "company": "text, or null",
        "addresses": ["address in normal form; the main one first"],
    },
)
_POLICY = Named("Sharing", {"mode": "private, public or custom", "excluded_domains": ["domain"]})
_SERVER = Named("Server", {"host": "text", "port": "number", "tls": "tls, starttls or none", "username": "text"})
_ACCOUNT = Named(
    "Account",
    {
        "id": "24 hex digits",
        "owner": "the user's address",
        "address": "address",
        "aliases": ["address"],
        "provider": "key of the provider directory, or null",
        "incoming": _SERVER,
        "outgoing": Nullable(_SERVER),
        "sharing": _POLICY,
        "folders": {"include": ["folder's name"], "exclude": ["folder's name"]},
        "state": "active, paused, blocked or disconnected",
        "reason": "code of why it is blocked, or null",
        "incident": "how many times it has become blocked",
        "attention_sent": "the last incident of which its owner was told",
        "epoch": "number of its newest backfill; 0 before the first",
        "resync_requested": "whether a new backfill is waited for",
        "created_at": "moment",
    },
)
_EPOCH = Named(
    "Backfill",
    {
        "account": "id",
        "number": "from 1",
        "state": "enumerating, sealed or complete",
        "opened_at": "moment",
        "sealed_at": "moment, or null",
        "completed_at": "moment, or null",
        "expected": "messages that the server said there were when it began",
        "notification": "of the confirmation: none, due, sending or sent",
        "claimed_at": "moment, or null",
        "sent_at": "moment, or null",
    },
)
_FOLDER = Named(
    "Folder",
    {
        "id": "12 hex digits",
        "name": "text",
        "role": "inbox, sent, archive, all, drafts, trash, junk or user",
        "selected": "whether it is synchronised",
        "reason": "code of why it is not, or null",
        "state": "enumerating, enumerated or gone",
        "epoch": "number of the backfill",
        "uidvalidity": "number",
        "uidnext": "mail below it is the backfill",
        "cursor": "the backfill has come down to this uid",
        "live_next": "live mail has come up to this uid",
        "highestmodseq": "number, or null",
        "checked_at": "moment, or null",
    },
)
_MESSAGES = Map("state of the ledger", "number of messages")
_PARTICIPANT = Named("Participant", {"address": "address", "name": "text", "role": "from, sender, to, cc or reply-to"})
_ATTACHMENT = Named(
    "Attachment",
    {
        "name": "file name, without path",
        "media_type": "type/subtype",
        "size": "octets",
        "sha256": "hex",
        "content_id": "for inline images, or null",
        "inline": "true or false",
    },
)
_MARKS = Named(
    "Marks",
    {
        "auto_reply": "true or false",
        "bounce": "true or false",
        "bounced": ["address that could not be reached"],
        "mailing_list": "true or false",
        "ambiguous_from": "true or false",
        "truncated": "whether a limit cut something off",
        "defects": ["what was mended"],
    },
)
_EMAIL = Named(
    "Email",
    {
        "email": "id",
        "record": _RECORD_REF,
        "sent_at": "moment",
        "thread": "id; the same for every mail of a thread",
        "subject": "text",
        "snippet": "text",
        "direction": "in (the record wrote it) or out",
        "participants": [_PARTICIPANT],
        "bcc": ["address, of the viewer's own copy only"],
        "attachments": [_ATTACHMENT],
        "marks": _MARKS,
        "reasons": [{"address": "address by which it is on the record", "role": "its role, or thread"}],
        "copies": [
            {
                "owner": "the user's address",
                "account": "id",
                "address": "of the account",
                "folder": "name",
                "flags": ["IMAP flag"],
                "labels": ["Gmail label"],
                "own": "whether it is the viewer's",
            }
        ],
        "holders": ["the user's address"],
        "flags": ["IMAP flag, of the viewer's own copy where there is one"],
        "folder": "name, of the same copy",
    },
)
_FOUND = And(_EMAIL, {"records": [_RECORD_REF]})
_EFFECT = Named(
    "Effect",
    {
        "emails": "how many some user sees on fewer (or more) records",
        "users": "how many users that happens to",
        "records": "how many leads and contacts it happens on",
        "examples": [{"email": "id", "record": _RECORD_REF, "sent_at": "moment", "subject": "text"}],
    },
)
_PREVIEW = Named("Preview", {"hidden": _EFFECT, "shown": _EFFECT})
_CONTENT = Named(
    "Content",
    {
        "key": "id",
        "message_id": "without angle brackets, or null",
        "in_reply_to": "or null",
        "references": ["oldest first"],
        "thread": "id",
        "subject": "text",
        "date": "what the mail says, or null",
        "sent_at": "moment",
        "participants": [_PARTICIPANT],
        "text": "plain text, at most 256 KiB",
        "reply_text": "the same without quotes and signature",
        "snippet": "text",
        "html": "as sent, NOT sanitised (--html is), or null",
        "html_blob": "sha256 of an HTML that is longer than 256 KiB, or null",
        "attachments": [_ATTACHMENT],
        "raw": "sha256 of the raw mail",
        "marks": _MARKS,
    },
)
_REFUSAL = Named(
    "Refusal",
    {
        "code": "stable code, e.g. wrong-password",
        "sentence": "what happened and what to do",
        "steps": ["the provider's own step"],
        "url": "the provider's page, or empty",
        "answer": "the server's own words",
    },
)
_LETTER = Named(
    "DeadLetter",
    {
        "id": "text",
        "queue": "where it failed",
        "reason": "stable code",
        "error": "text",
        "content_type": "of the body",
        "account": "id, or null",
        "row": "the copy in the ledger, or null",
        "at": "moment",
    },
)

SHAPES: dict[str, Any] = {
    "user list": [
        {"email": "address", "name": "text", "admin": "true or false", "created_at": "moment"},
    ],
    "account add": _ACCOUNT,
    "account list": [_ACCOUNT],
    "account show": And(
        _ACCOUNT,
        {
            "messages": _MESSAGES,
            "left_out": [{"state": "skipped or quarantined", "reason": "code", "messages": "how many"}],
            "folder_list": [_FOLDER],
            "epochs": [_EPOCH],
        },
    ),
    "account test": {
        "ok": "true or false",
        "incoming": Nullable(_REFUSAL),
        "outgoing_checked": "false where there is no outgoing server",
        "outgoing": Nullable(_REFUSAL),
    },
    "account sharing": And(_POLICY, {"preview": Nullable(_PREVIEW)}),
    "account aliases": {
        "aliases": ["address"],
        "candidates": [
            {"address": "address", "emails": "of the Sent folder that it is the sender of", "newest": "moment"}
        ],
    },
    "account folders": {
        "include": ["folder's name"],
        "exclude": ["folder's name"],
        "folders": [{key: _FOLDER.shape[key] for key in ("name", "role", "selected", "reason")}],
    },
    "company sharing": {
        "excluded_domains": ["domain"],
        "default_mode": "private, public or custom",
        "allowed_modes": ["private, public or custom"],
        "preview": Nullable(_PREVIEW),
    },
    "lead list": [_RECORD],
    "lead show": [_RECORD],
    "contact list": [_RECORD],
    "contact show": [_RECORD],
    "emails": [
        {
            "record": _RECORD,
            "count": "how many emails the viewer may see on it",
            "before": "give it to --before for the next part; null at the end",
            "emails": [_EMAIL],
            "suggested_addresses": [
                {
                    "address": "that answers in threads of the record",
                    "name": "text",
                    "emails": "how many, as the viewer sees",
                }
            ],
        }
    ],
    "email show": And(_EMAIL, {"records": [_RECORD_REF], "content": _CONTENT}),
    "search": [_FOUND],
    "thread": [_FOUND],
    "explain": [
        {
            "viewer": "address",
            "record": _RECORD_REF,
            "email": "id",
            "visible": "true or false",
            "lines": [
                {
                    "copy_of": {
                        "account": "id",
                        "owner": "address",
                        "policy": _POLICY,
                        "own_addresses": ["address"],
                        "bcc": ["address, to the copy's owner only"],
                    },
                    "match": {
                        "address": "address",
                        "role": "role, or thread",
                        "account": "id of a Bcc's copy, or null",
                    },
                    "decision": {"verdict": "stable code, e.g. own-copy, shared, mode-private", "domain": "or null"},
                }
            ],
            "obstacle": "code of why there is no line, to operators and administrators: deleted, not-stored, not-on-record …; or null",
        }
    ],
    "dead-letters list": [_LETTER],
    "dead-letters show": And(
        _LETTER,
        {
            "headers": Map("header", "text"),
            "octets": "of the body",
            "copy": Nullable(
                {
                    "account": "address",
                    "folder": "name",
                    "uid": "IMAP's number of the message",
                    "received_at": "moment, as the mail server says",
                    "state": "of the ledger",
                    "reason": "code, or null",
                }
            ),
        },
    ),
    "ledger check": {
        "balanced": "whether there is no gap and everything could be compared",
        "accounts": [
            {
                "account": "address",
                "id": "id",
                "balanced": "true or false",
                "error": "why it could not be compared and what to do, or null",
                "folders": [
                    {
                        "folder": "name",
                        "note": "new-folder, no-folder, new-uids, refused, left-out, or null",
                        "balanced": "true or false",
                        "server": "messages on the server; null where it cannot be opened",
                        "messages": _MESSAGES,
                        "rows": "the sum of these; server = rows + lost + unseen - stale",
                        "unfinished": "rows without a final state",
                        "lost": "messages that should have a row and have none",
                        "stale": "rows of messages that are not on the server",
                        "unseen": "messages that the poller has not come to yet",
                        "lost_uids": "the first 1,000 of them as an IMAP sequence-set",
                        "stale_uids": "the same of those",
                    }
                ],
            }
        ],
    },
    "privacy erase": {
        "erased": "false with --dry-run",
        "records": "leads and contacts that have or had the address",
        "links": "emails on records because of it",
        "emails": "emails that go for good",
        "kept": "emails that name it and stay",
        "copies": "copies of which nothing but a row is kept, which loses the address's mark",
        "dead_letters": "number",
    },
    "audit": [
        {
            "action": "stable code, e.g. account.sharing",
            "by": "the user's address, or operator",
            "subject": "what it was about, e.g. account:<id>, user:<address>, company, address:<mark>",
            "at": "moment",
            "details": Map("name", Anything("anything: it depends on the action")),
        }
    ],
    "status": {
        "oldest_unfinished": "moment, or null: since when the oldest copy waits for its final state",
        "dead_letters": "number",
        "broker_alarms": ["text: why RabbitMQ takes no messages, where its management interface is set up"],
        "stages": Nullable(Map("stage", "replicas")),
        "accounts": [
            {
                "account": "address",
                "id": "id",
                "owner": "address",
                "state": "active, paused, blocked or disconnected",
                "reason": "code, or null",
                "poller": "which poller works on it, or null",
                "epoch": Nullable(_EPOCH),
                "done": "messages with a final state",
                "total": "of how many",
                "messages": _MESSAGES,
                "oldest_unfinished": "moment, or null",
            }
        ],
        "queues": Nullable(
            Map(
                "queue",
                {"ready": "number", "consumers": "number", "unacknowledged": "number; null without a management URL"},
            )
        ),
    },
    "queues": [
        {
            "queue": "name",
            "ready": "number",
            "consumers": "number",
            "unacknowledged": "number; null without a management URL",
            "rates": Nullable({"published": "messages a second", "delivered": "the same", "acknowledged": "the same"}),
        }
    ],
    "doctor": {
        "healthy": "whether nothing is wrong; the exit code says the same",
        "checks": [
            {
                "name": "of what was looked at",
                "state": "fine, warning, wrong, or unknown (could not be checked)",
                "found": "text",
                "advice": "what to do, or an empty text",
            }
        ],
    },
}
"""By command."""
