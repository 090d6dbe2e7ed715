"""Applies the rule to emails of one batch, which may answer one another. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from schemas.mail import Content
from schemas.threads import Claim, ThreadClaims, external_records
from services.matcher.linking.rule import Facts, TextLinks, text_links


class BatchThreads:
    """Works out what the text of each email of a batch says, ancestors first.

    Args:
        contents: the emails of the batch by key.
        held: the holders of emails whose threads matter; the thread of an email that is missing says nothing.
        senders: those of the holders who sent the email themselves.
        facts: what else the rule depends on; its ancestors are stored emails outside the batch.
    """

    def __init__(
        self,
        contents: Mapping[str, Content],
        held: Mapping[str, Collection[str]],
        senders: Mapping[str, Collection[str]],
        facts: Facts,
    ) -> None:
        self._contents = contents
        self._held = held
        self._senders = senders
        self._facts = facts
        self._by_id: dict[str, list[str]] = {}
        self._result: dict[str, TextLinks] = {}
        for key, content in contents.items():
            if content.message_id:
                self._by_id.setdefault(content.message_id, []).append(key)
            text = text_links(content, (), (), facts)
            if text.named:
                self._result[key] = text

    def of(self, key: str) -> TextLinks:
        """Return what the text of an email of the batch says about records."""
        self._resolve(key)
        return self._result[key]

    def _resolve(self, key: str) -> None:
        """Work out an email after its ancestors, without recursion: a chain can be as long as a batch."""
        stack, entered = [key], set[str]()
        while stack:
            current = stack[-1]
            if current in self._result:
                stack.pop()
                continue
            entered.add(current)
            # An ancestor that was entered and has no result yet waits for this one: a cycle, which only a forger makes.
            if waiting := [other for other in self._unresolved_ancestors(current) if other not in entered]:
                stack.extend(waiting)
                continue
            holders = self._held.get(current, ())
            self._result[current] = text_links(self._contents[current], self._inherited(current), holders, self._facts)
            stack.pop()

    def _unresolved_ancestors(self, key: str) -> list[str]:
        names = self._contents[key].ancestors
        return [other for name in names for other in self._by_id.get(name, ()) if other not in self._result]

    def _inherited(self, key: str) -> Iterable[ThreadClaims]:
        for name in self._contents[key].ancestors:
            yield from self._facts.ancestors.get(name, {}).values()
            for other in self._by_id.get(name, ()):
                if other in self._result:
                    yield self._claims(other)

    def _claims(self, key: str) -> ThreadClaims:
        text, senders = self._result[key], self._senders.get(key, ())
        if not text.named:
            inherited = text.threads.items()
            return {owner: {one.record: Claim(one.address, sent=True)} for owner, one in inherited if owner in senders}
        external = external_records(text.matches, self._facts.internal)
        return {
            owner: {record: Claim(address, owner in senders) for record, address in external.items()}
            for owner in self._held.get(key, ())
        }
