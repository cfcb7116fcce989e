"""The team of threads, and the one thread that BLAS has meanwhile."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl
from small import small_network

from mlpcore.engine.blas_threads import single_threaded_blas
from mlpcore.engine.inputs import Input
from mlpcore.engine.team import Team
from mlpcore.engine.trainer import Trainer


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_every_thread_works_once_and_the_caller_is_the_first(n_threads):
    with Team(n_threads) as team:
        assert team.n_threads == n_threads
        for _ in range(20):
            seen = []
            team.run(lambda thread, seen=seen: seen.append((thread, threading.get_native_id())))
            assert [thread for thread, _ in sorted(seen)] == list(range(n_threads))
            assert (0, threading.get_native_id()) in seen
            assert len({number for _, number in seen}) == n_threads


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_exception_in_any_thread_is_raised_and_the_team_goes_on(failing):
    def work(thread):
        if thread == failing:
            raise OSError(f"in thread {thread}")

    with Team(3) as team:
        with pytest.raises(OSError, match=f"in thread {failing}"):
            team.run(work)
        seen = []
        team.run(seen.append)
        assert sorted(seen) == [0, 1, 2]


@pytest.mark.parametrize("when", ["at once", "when the other is at work"])
def test_an_interrupt_of_the_calling_thread_leaves_nobody_at_work(when):
    working, seen = threading.Event(), []

    def work(thread):
        if thread == 0:
            if when != "at once":
                working.wait()
            raise KeyboardInterrupt
        working.set()
        time.sleep(0.05)
        seen.append(thread)

    with Team(2) as team:
        with pytest.raises(KeyboardInterrupt):
            team.run(work)
        # The threads at work have finished, and the others do not begin any more.
        before = list(seen)
        assert before == [1] or (when == "at once" and before == [])
        team.run(lambda thread: time.sleep(0.1))
        assert seen == before


@pytest.mark.parametrize("pause", [0, 0.001])
def test_threads_that_wait_or_sleep_are_there_for_the_next_call(pause):
    counts = [0, 0, 0]

    def work(thread):
        counts[thread] += 1

    with Team(3) as team:
        for _ in range(200):
            team.run(work)
            time.sleep(pause)
    assert counts == [200] * 3


def test_a_team_works_inside_of_its_block_only():
    team = Team(2)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="with"):
            team.run(print)
        with team:
            team.run(lambda thread: None)
            with pytest.raises(RuntimeError, match="one `with` block"):
                team.__enter__()


def blas_threads():
    return [
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]


@pytest.fixture
def two_blas_threads():
    """Set BLAS to two threads, whatever the machine has, and check that it stays so."""
    if not blas_threads():
        pytest.skip("this BLAS has no threads that can be set")
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        assert set(blas_threads()) == {2}
        yield
        assert set(blas_threads()) == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_is_held_at_one_thread_until_the_last_one_leaves():
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
        with pytest.raises(KeyError), single_threaded_blas():
            raise KeyError
        assert set(blas_threads()) == {1}


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_is_held_at_one_thread_from_any_thread():
    def held():
        with single_threaded_blas():
            return set(blas_threads())

    for _ in range(3):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(held).result() == {1}
        assert set(blas_threads()) == {2}
        assert held() == {1}


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("first_out", [0, 1])
def test_blas_is_held_by_whoever_is_left(first_out):
    """Two threads enter one after the other and leave in either order."""
    leave = [threading.Event(), threading.Event()]

    def hold(number, entered):
        with single_threaded_blas():
            entered.set()
            leave[number].wait()

    counts = []
    with ThreadPoolExecutor(2) as pool:
        futures = []
        for number in (0, 1):
            entered = threading.Event()
            futures.append(pool.submit(hold, number, entered))
            entered.wait()
            counts.append(set(blas_threads()))
        for number in (first_out, 1 - first_out):
            counts.append(set(blas_threads()))
            leave[number].set()
            futures[number].result()
    assert counts == [{1}, {1}, {1}, {1}]


@pytest.mark.usefixtures("two_blas_threads")
def test_training_and_prediction_leave_blas_as_it_was():
    network, X, labels = small_network("float32", (5, 533, 531, 3))
    assert network.uses_blas()
    seen = []
    with Trainer(network, Input(X, "float32"), labels) as trainer:
        seen += blas_threads()
        trainer.epoch(np.arange(3))
    assert set(seen) == {1}
    assert set(blas_threads()) == {2}
    network.logits(Input(X, "float32"))
