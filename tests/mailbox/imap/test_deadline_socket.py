"""The reader under imaplib: whole lines, bounded pieces, a deadline that a slow drip cannot stretch."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mailbox.imap.protocol.deadline_socket import AnswerTooLargeError, DeadlineError, DeadlineSocket


@pytest.fixture
def pair() -> Iterator[tuple[DeadlineSocket, socket.socket]]:
    """A wire and the far end of its socket."""
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(2)
        yield DeadlineSocket(near, read_timeout=2), far


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(1, 97), min_size=1, max_size=20))
def test_lines_and_pieces_come_out_as_they_went_in(pieces: list[bytes], cuts: list[int]) -> None:
    """However the network cuts the bytes, each line and each counted piece is read exactly."""
    stream = b"".join(b"%d\r\n" % len(piece) + piece for piece in pieces)
    near, far = socket.socketpair()
    with near, far:
        reader = DeadlineSocket(near, read_timeout=2)
        position = 0
        far.settimeout(2)

        def feed() -> None:
            nonlocal position
            turn = 0
            while position < len(stream):
                size = cuts[turn % len(cuts)]
                far.sendall(stream[position : position + size])
                position += size
                turn += 1

        # In a separate thread: a socket buffers few bytes when each comes in its own packet.
        feeder = threading.Thread(target=feed)
        feeder.start()
        for piece in pieces:
            assert reader.readline() == b"%d\r\n" % len(piece)
            assert reader.read(len(piece)) == piece
        feeder.join()


def test_half_a_line_survives_a_read_that_ran_dry(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """A non-blocking read in the middle of a line loses nothing: the next one returns the whole line."""
    reader, far = pair
    reader.sock.setblocking(False)
    far.sendall(b"* 5 EX")
    with pytest.raises(BlockingIOError):
        reader.readline()
    far.sendall(b"ISTS\r\n* 1 RECENT\r\n")
    assert reader.readline() == b"* 5 EXISTS\r\n"
    assert reader.readline() == b"* 1 RECENT\r\n"


def test_the_end_of_the_stream_is_an_empty_line(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """What is left before the end is returned, then nothing."""
    reader, far = pair
    far.sendall(b"tail")
    far.shutdown(socket.SHUT_WR)
    assert reader.readline() == b"tail"
    assert reader.readline() == b""
    assert reader.read(10) == b""


def test_a_literal_larger_than_allowed_is_refused_before_it_is_allocated(
    pair: tuple[DeadlineSocket, socket.socket],
) -> None:
    """A server that announces terabytes gets an error, not our memory."""
    reader, _ = pair
    with pytest.raises(AnswerTooLargeError):
        reader.read(10**15)


def test_a_line_without_end_is_refused(
    pair: tuple[DeadlineSocket, socket.socket],
) -> None:
    """A line over the bound ends the connection instead of filling the memory."""
    reader, far = pair
    reader.max_line = 1000
    far.sendall(b"x" * 5000)
    with pytest.raises(AnswerTooLargeError):
        reader.readline()


def test_a_slow_drip_meets_the_deadline(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """A byte now and then resets a socket's time-out, but not the deadline."""
    reader, far = pair
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            far.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        reader.deadline = time.monotonic() + 0.4
        with pytest.raises(TimeoutError):
            reader.readline()
        with pytest.raises(DeadlineError):
            reader.send(b"more\r\n")
    finally:
        stop.set()
        thread.join()
