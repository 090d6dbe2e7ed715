"""Whose turn it is, round by round, with a clock of the test's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from schemas.identity import folder_id
from schemas.ledger import Folder
from services.poller.sync.command_pace import BURST, EVENT_RATE, SENT_RATE, WATCH_RATE, CommandPace
from services.poller.sync.folder_rounds import QUIETEST, ROOM, SLOW, UNANSWERED, WITHOUT_IDLE, FolderRounds
from services.poller.sync.folder_snapshot import FolderSnapshot

POLL = 12.0
SHOWN = FolderSnapshot(1, 1, 0, 0)
AROUND = 3
"""Commands of a round that are no questions: IDLE, its end, and opening INBOX again."""


class Clock:
    """Time that the test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def folders(count: int) -> list[Folder]:
    """Return INBOX, Sent, and others."""
    names = ["INBOX", "Sent", *(f"F{number}" for number in range(count - 2))]
    return [
        Folder(
            account="a" * 24,
            id=folder_id(name.encode()),
            raw_name=name.encode(),
            name=name,
            role={"INBOX": "inbox", "Sent": "sent"}.get(name, "user"),
            selected=True,
        )
        for name in names
    ]


class Pauses(dict[str, float]):
    """By name of a folder, the longest pause between two turns."""

    def __init__(self, many: Sequence[Folder], clock: Clock) -> None:
        super().__init__({folder.name: 0.0 for folder in many})
        self._clock = clock
        self._last = dict.fromkeys(self, clock.now)

    def note(self, folder: Folder) -> None:
        """Note that a folder has its turn."""
        self[folder.name] = max(self[folder.name], self._clock.now - self._last[folder.name])
        self._last[folder.name] = self._clock.now

    def end(self) -> None:
        """Count the pauses that still last."""
        for name, last in self._last.items():
            self[name] = max(self[name], self._clock.now - last)

    @property
    def longest(self) -> float:
        """The longest of all."""
        return max(self.values())


def take(
    rounds: FolderRounds,
    clock: Clock,
    count: int,
    many: Sequence[Folder],
    *,
    flags: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Pauses, Pauses, int]:
    """Take rounds with the room that the pace gives. Return the pauses of questions and of comparisons, and the commands.

    To have its flags compared, a folder is opened, so that it needs no question. ``meanwhile`` is called before each round.
    """
    asked, compared = Pauses(many, clock), Pauses(many, clock)
    pace, spent = CommandPace(WATCH_RATE, clock=clock), 0
    for _ in range(count):
        clock.now += POLL
        meanwhile()
        room = pace.room
        chosen = rounds.to_compare(many, many, room) if flags else []
        for folder in chosen:
            rounds.compared(folder.id, SHOWN)
            compared.note(folder)
            asked.note(folder)
        questions = rounds.to_ask(many, room - 2 * len(chosen))
        for folder in questions:
            rounds.asked(folder.id)
            asked.note(folder)
        pace.spend(AROUND + 2 * len(chosen) + len(questions))
        spent += AROUND + 2 * len(chosen) + len(questions)
    asked.end()
    compared.end()
    return asked, compared, spent


def test_an_account_costs_at_most_five_commands_a_second() -> None:
    """The watcher and the connection on Sent have their shares. Chatter leaves checks enough for a question in each second."""
    assert WATCH_RATE + SENT_RATE <= 5
    assert WATCH_RATE - EVENT_RATE >= 1


def test_of_2000_folders_busy_ones_have_every_turn() -> None:
    """INBOX, Sent and a folder that just changed are asked about in each round, and no folder waits for ever."""
    clock = Clock()
    rounds, many = FolderRounds(POLL, clock=clock), folders(2_000)
    busy = many[777]
    for folder in many:
        rounds.asked(folder.id)
    count = 120
    asked, _, spent = take(rounds, clock, count, many, meanwhile=lambda: rounds.changed(busy.id))
    assert {asked[name] for name in ("INBOX", "Sent", busy.name)} == {POLL}
    assert asked.longest <= 13 * 60
    assert spent <= BURST + WATCH_RATE * POLL * count


def test_a_folder_is_asked_about_less_the_quieter_it_is() -> None:
    """Its pause grows with the time since it changed, up to a bound; a change makes it busy at once."""
    clock = Clock()
    rounds, many = FolderRounds(POLL, clock=clock), folders(50)
    one = many[7]
    assert rounds.seconds(one) == QUIETEST * POLL
    rounds.changed(one.id)
    seconds = []
    for hours in (0, 0.5, 1, 2, 3, 24):
        clock.now = 1000 + 3600 * hours
        seconds.append(rounds.seconds(one))
    assert seconds == sorted(seconds)
    assert seconds[0] == POLL
    assert seconds[-1] == QUIETEST * POLL
    assert rounds.seconds(many[0]) == POLL
    rounds.changed(one.id)
    assert rounds.seconds(one) == POLL


def test_quiet_folders_of_a_usual_mailbox_cost_less_than_a_command_a_second() -> None:
    """None waits longer than the bound."""
    clock = Clock()
    rounds, several = FolderRounds(POLL, clock=clock), folders(50)
    for folder in several:
        rounds.asked(folder.id)
    count = 200
    asked, _, spent = take(rounds, clock, count, several)
    assert asked.longest == QUIETEST * POLL
    assert spent <= count * POLL


@pytest.mark.parametrize(("count", "seconds"), [(50, 48), (115, 60), (200, 108), (500, 270), (2_000, 17.5 * 60)])
def test_flags_of_folders_are_compared_in_turn(count: int, seconds: float) -> None:
    """Of 115 folders within a minute, of more as soon as the commands allow. That finds new mail, too. docs/servers.md has the figures."""
    clock = Clock()
    rounds, several = FolderRounds(POLL, clock=clock), folders(count)
    busy = several[7]
    for folder in several:
        rounds.asked(folder.id)
    asked, compared, spent = take(rounds, clock, 400, several, flags=True, meanwhile=lambda: rounds.changed(busy.id))
    assert compared.longest <= seconds
    assert asked.longest <= seconds
    assert compared[busy.name] <= 60
    assert asked[busy.name] == asked["INBOX"] == POLL
    assert spent <= BURST + WATCH_RATE * POLL * 400


def test_flags_of_a_mailbox_at_rest_are_compared_less_often() -> None:
    """When nothing has changed in it for long."""
    clock = Clock()
    rounds, several = FolderRounds(POLL, clock=clock), folders(50)
    rounds.changed(several[3].id)
    _, used, spent = take(rounds, clock, 60, several, flags=True)
    clock.now += 24 * 3600
    _, quiet, rest = take(rounds, clock, 60, several, flags=True)
    assert used.longest <= 60
    assert quiet.longest > 3 * used.longest
    assert rest < spent / 2


def test_the_busiest_and_the_longest_waiting_share_the_room() -> None:
    """More busy folders than there is room keep the others from nothing."""
    clock = Clock()
    rounds, many = FolderRounds(POLL, clock=clock), folders(400)
    for folder in many:
        rounds.asked(folder.id)
    asked = Counter[str]()
    for _ in range(40):
        clock.now += POLL
        for folder in many[:300]:
            rounds.changed(folder.id)
        for folder in rounds.to_ask(many, 20):
            asked[folder.id] += 1
            rounds.asked(folder.id)
    assert all(asked[folder.id] for folder in many)


def test_a_long_list_is_not_asked_for_in_every_round() -> None:
    """2,000 folders would take a server's bytes of a day."""
    clock = Clock()
    rounds = FolderRounds(POLL, clock=clock)

    def due_after(size: int, *, statuses: bool) -> float:
        assert rounds.list_due
        rounds.listed(size, statuses=statuses)
        before = clock.now
        while not rounds.list_due:
            clock.now += 1
        return clock.now - before

    assert due_after(8_000, statuses=True) == POLL
    assert due_after(4_000, statuses=False) == SLOW * POLL
    assert due_after(400_000, statuses=True) > SLOW * POLL


def test_a_server_that_never_answers_idle_is_polled() -> None:
    """One lost connection says nothing. After some in a row, IDLE is left alone for a while."""
    clock = Clock()
    rounds = FolderRounds(POLL, clock=clock)
    for _ in range(UNANSWERED):
        rounds.idled(answered=False)
        rounds.idled(answered=True)
    assert rounds.idle_works
    for _ in range(UNANSWERED):
        rounds.idled(answered=False)
    assert not rounds.idle_works
    clock.now += WITHOUT_IDLE
    assert rounds.idle_works


def test_all_at_once_is_bounded() -> None:
    """When everything should be looked at, it is the most urgent of many folders."""
    rounds, many = FolderRounds(POLL, clock=Clock()), folders(2_000)
    rounds.changed(many[1234].id)
    chosen = rounds.first(many, ROOM)
    assert len(chosen) == ROOM
    assert {many[0], many[1], many[1234]} <= set(chosen)


def test_no_folder_is_compared_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a round costs grows with the folders, not with their square."""
    compared = Counter[str]()
    monkeypatch.setattr(Folder, "__eq__", lambda *_: compared.update(["=="]) or False)
    rounds, many = FolderRounds(POLL, clock=Clock()), folders(800)
    for folder in many:
        rounds.changed(folder.id)
    assert len({folder.id for folder in rounds.to_compare(many, [], 400)}) == 200
    assert not compared
