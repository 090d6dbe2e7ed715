"""Threads for calls that may hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait

import pytest

from services.runtime.patient_threads import PatientThreads

ACTIVE = 4


@pytest.fixture
def pool() -> Iterator[PatientThreads]:
    """A pool in which calls soon count as slow."""
    threads = PatientThreads(ACTIVE, "test", slow=0.05)
    yield threads
    threads.shutdown(cancel_futures=True)


def test_calls_that_hang_keep_no_other_from_running(pool: PatientThreads) -> None:
    """Ten times as many hanging calls as may run at a time, and everything else goes on."""
    release = threading.Event()
    hanging = [pool.submit(release.wait) for _ in range(10 * ACTIVE)]
    others = [pool.submit(pow, 2, exponent) for exponent in range(20)]
    assert [future.result(60) for future in others] == [2**exponent for exponent in range(20)]
    assert not any(future.done() for future in hanging)
    release.set()
    assert all(future.result(60) for future in hanging)


def test_calls_that_work_are_bounded(pool: PatientThreads) -> None:
    """No more than those that count run at a time while they are quick."""
    pool = PatientThreads(ACTIVE, "test", slow=3600)
    most, running, lock = 0, 0, threading.Lock()
    started = threading.Semaphore(0)
    release = threading.Event()

    def work() -> None:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        started.release()
        release.wait(60)
        with lock:
            running -= 1

    calls = [pool.submit(work) for _ in range(5 * ACTIVE)]
    for _ in range(ACTIVE):
        assert started.acquire(timeout=60)
    release.set()
    wait(calls, 60)
    assert most <= ACTIVE
    assert all(call.done() for call in calls)
    pool.shutdown()


def test_errors_and_cancellations_belong_to_the_caller(pool: PatientThreads) -> None:
    """What a call raises is raised by its result; one that has not started can be cancelled."""
    release = threading.Event()
    failing: Future[int] = pool.submit(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result(60)
    quick = PatientThreads(1, "test", slow=3600)
    first = quick.submit(release.wait)
    second, third = quick.submit(pow, 2, 2), quick.submit(pow, 2, 3)
    assert second.cancel()
    release.set()
    assert first.result(60)
    assert third.result(60) == 8
    quick.shutdown()
    with pytest.raises(RuntimeError):
        quick.submit(pow, 2, 2)
