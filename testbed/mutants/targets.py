"""The modules that must not be wrong, the tests that must notice, and what is no mistake."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """A module and the tests that must notice everything that is wrong with it."""

    file: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()
    """Break only these; empty for the whole module."""
    servers: bool = False
    """Whether the tests need the servers: these are started once."""


_VISIBLE = ("tests/store/readers/test_candidates.py", "tests/store/access/test_rights.py")
_ENTRIES = "tests/store/admin/test_audit_entries.py"
_MEANWHILE = "tests/store/ownership/test_meanwhile.py"

TARGETS = (
    Target("schemas/sharing.py", ("tests/schemas/test_sharing.py", "tests/schemas/test_policies.py")),
    Target(
        "schemas/addresses.py",
        ("tests/schemas/test_addresses.py", "tests/schemas/test_policies.py"),
        functions=("in_domain", "excludable_domain"),
    ),
    Target("schemas/threads.py", ("tests/matcher/test_linking.py",)),
    Target("schemas/raw_mail.py", ("tests/schemas/test_raw_mail.py",)),
    Target("services/store/access/guard.py", ("tests/store/access/test_guard.py",)),
    Target("services/store/access/attesting.py", ("tests/store/access/test_attesting.py",)),
    Target(
        "services/store/access/withdrawals.py",
        ("tests/store/access/test_withdrawals.py", "tests/store/admin/test_sharing.py", _ENTRIES),
        servers=True,
    ),
    Target("services/store/readers/deleting.py", ("tests/store/readers/test_deleting.py",), servers=True),
    Target("services/store/readers/candidates.py", _VISIBLE, servers=True),
    Target("services/store/readers/failures.py", ("tests/store/readers/test_failures.py",), servers=True),
    Target(
        "services/store/readers/visible_lines.py",
        _VISIBLE,
        functions=("seen", "visible", "in_scope", "lines", "found", "growing"),
        servers=True,
    ),
    Target(
        "services/store/readers/visible_lines.py",
        ("tests/store/readers/test_visible_email.py",),
        functions=("visible_email", "shown_marks", "folded", "_one_line"),
    ),
    Target(
        "services/store/ownership/user_lifecycle.py",
        ("tests/store/ownership/test_user_lifecycle.py", _MEANWHILE, _ENTRIES),
        servers=True,
    ),
    Target(
        "services/store/ownership/membership.py",
        ("tests/store/ownership/test_membership.py", _MEANWHILE, _ENTRIES),
        servers=True,
    ),
    Target(
        "services/store/ownership/handover.py",
        (
            "tests/store/ownership/test_user_lifecycle.py",
            "tests/store/ownership/test_membership.py",
            _MEANWHILE,
            _ENTRIES,
        ),
        servers=True,
    ),
    Target(
        "services/amqp/delivery/dispatch.py",
        ("tests/amqp/test_dispatch.py", "tests/amqp/test_retry.py"),
        functions=("one_by_one", "_outcomes", "_publish", "_send_failed"),
    ),
    Target(
        "services/amqp/rabbitmq/publisher.py",
        ("tests/amqp/test_publisher.py",),
        functions=("send", "close", "_confirmed", "_put_back"),
    ),
    Target(
        "services/store/ledger/ledger_poller.py",
        ("tests/store/ledger/test_rows.py", "tests/store/ledger/test_blank_rows.py", "tests/store/core/test_fence.py"),
        functions=("_insert_missing", "published", "_move"),
        servers=True,
    ),
)
_ONE_RESULT_EACH = "the bus answers with one result for each envelope: strict only says so"
EQUIVALENT: dict[str, dict[str, str]] = {
    "services/amqp/delivery/dispatch.py": {
        "Dispatcher._publish: zip(places, await self._send(envelopes), strict=True) → "
        "zip(places, await self._send(envelopes))": _ONE_RESULT_EACH,
        "Dispatcher._publish: True → False": _ONE_RESULT_EACH,
        "Dispatcher._send_failed: zip(places, refused, strict=True) → zip(places, refused)": _ONE_RESULT_EACH,
        "Dispatcher._send_failed: True → False": _ONE_RESULT_EACH,
    },
    "services/store/access/attesting.py": {
        "_oldest_first: if older.key not in waiting → if True": "an email that was visited is visited again, for nothing",
    },
    "services/store/access/withdrawals.py": {
        "Withdrawals.add: self._withdrawals.bulk_write(writes, ordered=False, session=session) → "
        "self._withdrawals.bulk_write(writes, session=session)": "in order as much is written, in more time",
        "Withdrawals.add: False → True": "in order as much is written, in more time",
        **dict.fromkeys(
            ("Withdrawals.kinds: '_id' → '_id~'", "Withdrawals.kinds: 1 → 2"), "the _id comes along all the same"
        ),
    },
    "services/store/ownership/handover.py": {"-: 500 → 501": "how many emails one piece of work has"},
    "services/store/readers/candidates.py": {
        "Candidates.ids: '\\uffff' → '\\uffff~'": "ids are hexadecimal digits: none lies between the two",
        "Candidates.ids: 'email' → 'email~'": "the index that the query is told to use has the ids in order, too",
    },
    "services/store/readers/deleting.py": {
        "_alone: bool(holders) and holders <= user.owners → holders <= user.owners": "what a user sees has a holder",
    },
    "services/store/readers/failures.py": {
        "-: 100 → 101": "how many links of bounces are read",
        "-: 10 → 11": "how many links of bounces are read for each line of a part",
        "Failures.marked: if not links → if False": "no links make no lines, and mark none",
    },
    "services/store/readers/visible_lines.py": dict.fromkeys(
        (
            "growing: min(2 * size, _MOST_AT_ONCE) → max(2 * size, _MOST_AT_ONCE)",
            *(f"growing: 2 * size → {other}" for other in ("2 + size", "2", "size")),
            "growing: 2 → 3",
        ),
        "how many links one query has: as much is found, in other steps",
    ),
    "services/store/ledger/ledger_poller.py": {
        "PollerLedger._move: if not ids → if False": "an update of no rows changes nothing, it only takes a transaction",
        "PollerLedger._insert_missing: self._ledger.find({'_id': {'$in': ids}}, fields, session=session) → "
        "self._ledger.find({'_id': {'$in': ids}}, fields)": (
            "a row that changes after the transaction began makes its delete conflict, wherever it was read; rows that stay are not written"
        ),
        "PollerLedger.published: '' → '~'": "what $unset says of a field is not read",
        "PollerLedger._insert_missing: if back → if True": "deleting no row changes nothing, and no document is among none",
    },
}
"""By module, changes that leave it as it was, each with the reason. A change is named by its function and its text."""
