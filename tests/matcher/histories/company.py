"""Reference model of who may see what: docs/design.md section 4 as plain, slow code, without a database or concurrency."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

Line = tuple[str, str]
"""A record and an email."""

Links = dict[Line, list[tuple[str, str, str]]]


TEAM = "the team"
"""How the name of a shared mailbox's holder begins."""


@dataclass
class Mailbox:
    """A connected account."""

    owner: str
    """A user; or of a shared mailbox the name of its team, which is one holder of its own for threads and for what is kept private."""
    address: str
    mode: str
    excluded: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    connected: bool = True
    proofs: dict[str, int] = field(default_factory=dict)
    """How well each address is proven: a higher number is better."""
    members: set[str] = field(default_factory=set)
    """Of a shared mailbox: "owned by a team of users, each counts as holder"."""

    def of(self, user: str) -> bool:
        """Whether a user is a holder: its owner, or now a member of its team."""
        return user == self.owner or user in self.members

    def name(self) -> str:
        """Return by what name others know its holder. Who is in a team is not their business."""
        return self.address if self.owner.startswith(TEAM) else self.owner

    def theirs(self) -> set[str]:
        """Return which addresses are the mailbox's: "an address or alias belongs to an account only once it is proven".

        The address by which the CRM knows the owner needs no proof.
        """
        return {one for one in (self.address, *self.aliases) if one == self.owner or one in self.proofs}


@dataclass
class Letter:
    """A mail."""

    name: str
    people: tuple[str, ...]
    """From, then To and Cc; not Bcc."""
    answers: tuple[str, ...]
    """Message-IDs (here: names) of the mails that it answers or refers to."""
    identified: bool = True
    """Whether it has a Message-ID."""
    alias: str = ""
    """The mail whose Message-ID a forged mail carries."""
    about: str = ""
    """The Message-ID (here: the name) of the mail that it says was not delivered, truly or not."""

    @property
    def message_id(self) -> str | None:
        """Its Message-ID (here: a name)."""
        return (self.alias or self.name) if self.identified else None

    @property
    def ids(self) -> frozenset[str]:
        """The Message-IDs that it carries or names; or if there is none, what no other mail has."""
        named = (*self.answers, self.message_id, self.about)
        return frozenset(f"<{one}>" for one in named if one) or frozenset({f"without an id: {self.name}"})


@dataclass
class Held:
    """A copy of a mail in a mailbox."""

    mailbox: str
    letter: str
    bcc: tuple[str, ...] = ()
    filed: bool = False
    """Whether it is in the mailbox's Sent folder."""
    alive: bool = True
    flagged: bool = False
    """Whether its owner flagged it as deleted: it grants nothing and shows to no one until the flag is removed."""
    late: bool = False
    """Whether it arrived after its mail had been deleted for everyone."""
    lost: bool = False
    """Whether its mailbox was disconnected while the mail was on no record, so that it can no longer be fetched."""


@dataclass
class Company:
    """Everything that the rule depends on."""

    users: tuple[str, ...]
    disabled: set[str] = field(default_factory=set)
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    copies: dict[str, Held] = field(default_factory=dict)
    records: dict[str, set[str]] = field(default_factory=dict)
    """Addresses that each record has or had."""
    deleted: set[str] = field(default_factory=set)
    excluded: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ("private", "public", "custom")
    own_domains: tuple[str, ...] = ()
    """Domains that the administrator confirmed as the company's."""
    opened: tuple[str, ...] = ()
    """Domains for which the administrator turned off the rule of internal people."""
    readers: dict[str, set[str]] = field(default_factory=dict)
    """Who may read each record; every user if none are listed."""
    withdrawn: set[tuple[str, str]] = field(default_factory=set)
    """(user, mail or Message-ID of a thread) that this user keeps private."""

    def internal(self, address: str) -> bool:
        """Return whether an address belongs to one of the company's own people."""
        if covers(self.opened, address):
            return False
        return address in self.colleagues() or covers(self.own_domains, address)

    def colleagues(self) -> set[str]:
        """Return all users and the addresses of mailboxes, as far as they are proven."""
        return {*self.users, *(one for box in self.mailboxes.values() for one in box.theirs())}

    def prove(self, box: str, address: str, strength: int) -> bool:
        """Let a mailbox prove an address; another one that proved it less well loses it. Returns whether that succeeds."""
        winner = self.mailboxes[box]
        others = [
            one for one in self.mailboxes.values() if one is not winner and one.connected and address in one.proofs
        ]
        refused = address in self.users and address != winner.owner
        if refused or any(one.proofs[address] >= strength for one in others):
            return False
        for loser in others:
            del loser.proofs[address]
        winner.proofs[address] = max(strength, winner.proofs.get(address, strength))
        winner.aliases = tuple({*winner.aliases, address} - {winner.address})
        return True

    def live(self, letter: str) -> list[Held]:
        """Return the live copies of a mail."""
        return [
            one
            for one in self.copies.values()
            if one.letter == letter and one.alive and not one.flagged and not one.lost and letter not in self.deleted
        ]

    def named(self, addresses: Iterable[str]) -> dict[str, set[str]]:
        """Return the records that have at least one of the addresses, with those addresses."""
        found = {record: theirs.intersection(addresses) for record, theirs in self.records.items()}
        return {record: theirs for record, theirs in found.items() if theirs}

    def linked(self) -> Links:
        """Return why each mail is on each of its records: (address, reason, mailbox whose copy has the Bcc)."""
        links: Links = {}
        about: dict[str, list[tuple[dict[str, dict[str, str]], set[str]]]] = {}
        for letter in sorted(
            self.letters.values(), key=lambda one: not one.alias
        ):  # forged mail first, then oldest first
            live = self.live(letter.name)
            if not live:
                continue
            mine = {record: [(one, "text", "") for one in at] for record, at in self.named(letter.people).items()}
            having = {self.mailboxes[copy.mailbox].owner for copy in live}
            if mine:
                named = self.named(letter.people).items()
                outside = {record: {one for one in them if not self.internal(one)} for record, them in named}
                says = {user: {record: min(them) for record, them in outside.items() if them} for user in having}
            else:
                says = {user: self._inherited(user, letter, about) for user in having}
                for user, thread in says.items():
                    for record, one in thread.items():
                        mine.setdefault(record, []).append((one, "thread", user))
            for copy in live:
                for record, at in self.named(copy.bcc).items():
                    mine.setdefault(record, []).extend((one, "bcc", copy.mailbox) for one in at)
            links.update({(record, letter.name): reasons for record, reasons in mine.items()})
            if letter.identified:
                senders = self._senders(letter, live)
                if not self.named(letter.people):  # "a thread goes on through what names no record if one sent it"
                    says = {user: thread for user, thread in says.items() if user in senders}
                about.setdefault(letter.alias or letter.name, []).append((says, senders))
        return links

    def _senders(self, letter: Letter, live: Iterable[Held]) -> set[str]:
        """Return who sent a mail: "the copy lies in the account's Sent folder and its From is a proven address"."""
        return {
            box.owner
            for copy in live
            for box in [self.mailboxes[copy.mailbox]]
            if copy.filed and letter.people[0] in box.theirs()
        }

    def _inherited(
        self, user: str, letter: Letter, about: dict[str, list[tuple[dict[str, dict[str, str]], set[str]]]]
    ) -> dict[str, str]:
        """Return the one external record that the mails a mail answers name, with its first address.

        Only answered mails that the user holds count, and the user must have sent one of them: "It answers a mail that this
        holder sent, and the mails it answers there name exactly one external record."
        """
        if all(self.internal(one) for one in letter.people):
            return {}
        found: dict[str, str] = {}
        opened: set[str] = set()
        for thread, senders in (one for name in letter.answers for one in about.get(name, ())):
            for record, address in thread.get(user, {}).items():
                found[record] = min(address, found.get(record, address))
                opened |= {record} if user in senders else set()
        return found if len(found) == 1 and opened == set(found) else {}

    def kept(self, letter: str, links: Links) -> list[Held]:
        """Return the live copies that are stored because of the mail's content, the holder's thread or the copy's own Bcc."""
        why = [(how, of) for (_, name), them in links.items() if name == letter for _, how, of in them]
        named, attesting = any(how == "text" for how, _ in why), {of for how, of in why if how == "thread"}
        return [
            copy
            for copy in self.live(letter)
            if named or self.mailboxes[copy.mailbox].owner in attesting or self.named(copy.bcc)
        ]

    def may_read(self, viewer: str, record: str) -> bool:
        """Whether the CRM lets a user read a record."""
        return not self.readers.get(record) or viewer in self.readers[record]

    def thread(self, name: str, among: set[str]) -> set[str]:
        """Return those of some mails that a mail's Message-IDs lead to, from mail to mail."""
        found: set[str] = set()
        ids = set(self.letters[name].ids)
        while more := {one for one in among - found if self.letters[one].ids & ids}:
            found |= more
            ids.update(*(self.letters[one].ids for one in more))
        return found

    def failures(self, name: str, among: Collection[str]) -> set[str]:
        """Return which of some mails say that a mail was not delivered."""
        identifier = self.letters[name].message_id
        return {one for one in among if identifier is not None and self.letters[one].about == identifier}

    def granting(self, viewer: str, *, any_record: bool = False) -> dict[Line, list[Held]]:
        """Return, for each mail that a viewer sees on a record, the live copies that grant it. This is the sharing rule.

        With ``any_record`` the answer says what a viewer would see who may read every record.
        """
        if viewer in self.disabled or viewer not in self.users:
            return {}  # "sees nothing from the next request on"
        links = self.linked()
        found = {
            (record, letter): [
                copy
                for copy in self.kept(letter, links)
                if any(self._grants(viewer, copy, *reason) for reason in reasons)
            ]
            for (record, letter), reasons in links.items()
        }
        return {
            (record, letter): copies
            for (record, letter), copies in found.items()
            if copies and (any_record or self.may_read(viewer, record))
        }

    def inherit(self, user: str, heir: str) -> None:
        """Let a user's mailboxes go to another one, and with them what the user keeps private."""
        self.withdrawn |= {(heir, what) for owner, what in self.withdrawn if owner == user}

    def grow_private_threads(self) -> None:
        """Let threads kept private grow: "it also covers mail still to come that names one of its emails", which is then one of them.

        Only by the Message-ID of such a mail: what it names besides is not of the thread.
        """
        links = self.linked()
        held = [
            (self.mailboxes[copy.mailbox].owner, letter)
            for name, letter in self.letters.items()
            for copy in self.kept(name, links)
            if letter.message_id is not None
        ]
        while (
            more := {
                (user, f"<{letter.message_id}>")
                for user, letter in held
                if not self.withdrawn.isdisjoint((user, one) for one in letter.ids)
            }
            - self.withdrawn
        ):
            self.withdrawn |= more

    def tells_of(self, viewer: str, copy: Held) -> bool:
        """Whether a viewer who sees a mail may learn that a mailbox holds it: it is theirs, or the mail names its address."""
        box = self.mailboxes[copy.mailbox]
        return box.of(viewer) or not box.theirs().isdisjoint(self.letters[copy.letter].people)

    def _grants(self, viewer: str, copy: Held, address: str, how: str, of: str) -> bool:  # noqa: PLR0911 - a sentence of the rule each
        box = self.mailboxes[copy.mailbox]
        if how == "bcc" and (of != copy.mailbox or not box.of(viewer) or address not in copy.bcc):
            return False  # "Bcc is shown to the owner of the copy only"
        if box.of(viewer):
            return True  # "V owns a live copy of M"
        if how == "thread" and of != box.owner:
            return False  # "only the copies of holders for whom this is so grant such a link"
        if self.letters[copy.letter].about and copy.bcc:
            return False  # a bounce about someone in Bcc is for the holder of the copy
        if {(box.owner, what) for what in (copy.letter, *self.letters[copy.letter].ids)} & self.withdrawn:
            return False  # "a holder can withdraw their own copies of an email or a thread from sharing"
        if self.internal(address):
            return False  # "a link by an internal address shares nothing"
        if box.mode == "private" or box.mode not in self.allowed:
            return False  # "mode public or custom"
        hidden = {*self.excluded, *(box.excluded if box.mode == "custom" else ())}
        if covers(hidden, address):
            return False  # "the link's address not in an excluded domain"
        people = set(self.letters[copy.letter].people) - box.theirs()
        others = [one for one in people if not self.internal(one)]
        return not all(covers(hidden, one) for one in others)  # "not internal-only"

    def settle(self) -> None:
        """Let all pending work finish: mail on no record loses its body, and a disconnected mailbox cannot deliver it again."""
        links = self.linked()
        for copy in self.copies.values():
            if copy.alive and not copy.lost and not self.mailboxes[copy.mailbox].connected:
                copy.lost = copy.letter not in self.deleted and copy not in self.kept(copy.letter, links)


def covers(domains: Collection[str], address: str) -> bool:
    """Return whether an address is in one of the domains, however they are spelled, or in a subdomain."""
    labels = plain(address.split("@")[1]).split(".")
    return any(labels[-len(parts) :] == parts for parts in (plain(domain).split(".") for domain in domains))


def plain(name: str) -> str:
    """Return a domain or an address in the one spelling in which mail names it: lower case, A-labels, no trailing dot."""
    local, at, domain = name.lower().rstrip(".").rpartition("@")
    labels = [label.encode("idna").decode() for label in domain.split(".")]
    return f"{local}{at if local else ''}{'.'.join(labels)}"
