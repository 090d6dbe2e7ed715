"""Threads as a mail server joins them: an oracle for those of Leadmail."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterable, Mapping

Partition = frozenset[frozenset[int]]
"""UIDs by thread."""
_TOKEN = re.compile(r"[()]|[0-9]+")


def server_threads(client: imaplib.IMAP4, algorithm: str, which: str = "ALL") -> Partition:
    """Return the threads of the selected folder (RFC 5256).

    ``REFERENCES`` joins by Message-IDs and then by base subjects; ``REFS``, which Dovecot has, only by Message-IDs.
    """
    status, data = client.uid("THREAD", algorithm, "UTF-8", which)
    if status != "OK":
        raise imaplib.IMAP4.error(f"THREAD {algorithm}: {data!r}")
    return read_threads((data[0] or b"").decode("ascii"))


def read_threads(answer: str) -> Partition:
    """Return the threads of an answer: each is a list, whatever branches it has."""
    threads: list[set[int]] = []
    depth = 0
    for token in _TOKEN.findall(answer):
        if token == "(":
            if depth == 0:
                threads.append(set())
            depth += 1
        elif token == ")":
            depth -= 1
        else:
            threads[-1].add(int(token))
    return frozenset(map(frozenset, threads))


def partition(threads: Mapping[int, int]) -> Partition:
    """Return the threads of UIDs that are numbered by thread."""
    found: dict[int, set[int]] = {}
    for uid, thread in threads.items():
        found.setdefault(thread, set()).add(uid)
    return frozenset(map(frozenset, found.values()))


def pairs(threads: Iterable[frozenset[int]]) -> set[tuple[int, int]]:
    """Return the pairs of UIDs that are in one thread."""
    return {(one, other) for thread in threads for one in thread for other in thread if one < other}
