"""The number of threads that work goes on with, on simulated machines: each number of threads has a
cost for a unit of work, which may change with time."""

import contextlib
import os
import random
import subprocess
import sys

import pytest

from mlpcore.engine.team_size import LONGEST_TRIAL, TeamSize, idle_processors, worthwhile


@pytest.fixture(autouse=True)
def all_threads_work():
    """Not in this module."""


def simulate(team, cost, seconds, start=0.0):
    """Work for so long; the fraction of the time that each number of threads had, and the time that
    the work took divided by that of the best number at each moment."""
    now, spent, best = start, {}, 0.0
    while now < start + seconds:
        size, work = team.choose()
        took = work * cost(size, now)
        team.record(size, took, work)
        best += work * min(cost(other, now) for other in team.sizes)
        spent[size] = spent.get(size, 0.0) + took
        now += took
    return {size: time / (now - start) for size, time in spent.items()}, (now - start) / best


def test_the_best_number_is_found_and_kept():
    shares, ratio = simulate(TeamSize(2), lambda size, now: 1e-4 / size, 5)
    assert shares[2] > 0.9
    assert ratio < 1.05
    shares, ratio = simulate(TeamSize(2), lambda size, now: 1e-4 * size, 5)
    assert shares[1] > 0.9
    assert ratio < 1.05


@pytest.mark.parametrize("best", [1, 2, 4, 8, 16, 24])
@pytest.mark.parametrize("first", [1, 4, 24])
def test_of_many_threads_the_best_number_is_found(best, first):
    team = TeamSize(24, first)
    assert team.sizes == [1, 2, 4, 8, 16, 24]
    shares, ratio = simulate(team, lambda size, now: 1e-5 * max(size / best, best / size) ** 0.5, 5)
    assert max(shares, key=shares.get) == best == team.usual
    assert ratio < 1.1


def test_a_machine_that_becomes_busy_or_quiet_is_noticed_within_a_second():
    team = TeamSize(2)
    simulate(team, lambda size, now: 1e-4 / size, 3)
    shares, ratio = simulate(team, lambda size, now: 2.4e-4 if size == 2 else 1e-4, 1)
    assert shares[1] > 0.85
    assert ratio < 1.15
    simulate(team, lambda size, now: 2.4e-4 if size == 2 else 1e-4, 30)
    shares, _ = simulate(team, lambda size, now: 1e-4 / size, 2.1)
    assert shares[2] > 0.45


def test_noise_does_not_mislead_for_long():
    rng = random.Random(1)
    team = TeamSize(2)
    simulate(
        team, lambda size, now: (1e-4 if size == 1 else 0.7e-4) * rng.choice([0.8, 1, 1, 1.6]), 10
    )
    assert team.usual == 2
    simulate(team, lambda size, now: 1e-4 * size * rng.choice([0.8, 1, 1, 1.6]), 10)
    assert simulate(team, lambda size, now: 1e-4 * size, 1)[0][1] > 0.9


class Scheduler:
    """Two cores and one other program: of two threads, one shares its core with the program, by
    turns of 4 ms, and the other one waits for it meanwhile. A single thread has its own core."""

    TURN = 4e-3

    def __init__(self, alone, together, busy):
        self.now, self.alone, self.together, self.busy = 0.0, alone, together, busy

    def work(self, size, steps):
        begin = self.now
        for _ in range(steps):
            if size == 2 and self.busy(self.now) and int(self.now / self.TURN) % 2:
                self.now = (int(self.now / self.TURN) + 1) * self.TURN
            self.now += self.alone if size == 1 else self.together
        return self.now - begin


@pytest.mark.parametrize("alone", [7e-6, 7e-5, 7e-4])
@pytest.mark.parametrize("seed", range(3))
def test_beside_another_program_one_thread_works(alone, seed):
    """Within a tenth of the best fixed number from the second second on, though half of the short
    trials of two threads meet no turn of the other program."""
    machine = Scheduler(alone, 0.6 * alone, lambda now: True)
    machine.now = random.Random(seed).random() * 8e-3
    team, steps = TeamSize(2), 0
    while machine.now < 10:
        size, work = team.choose()
        team.record(size, machine.work(size, work), work)
        steps += work if machine.now > 1 else 0
    assert steps * alone > 9 / 1.1
    assert team.usual == 1


def test_trials_are_longer_where_other_programs_compute():
    def trials(idle):
        team, lengths, now = TeamSize(2, idle=lambda mine: idle), [], 0.0
        while now < 0.2:
            size, work = team.choose()
            team.record(size, work * 1e-5 * size, work)
            now += work * 1e-5 * size
            if size == 2 and now > 0.01:
                lengths.append(work)
        return lengths

    assert max(trials(2)) < 0.5 * min(trials(1))
    assert trials(None) == trials(2)


def test_idle_processors_are_counted():
    if not os.path.exists("/proc/loadavg"):
        assert idle_processors(1) is None
        pytest.skip("the system does not say what is running")
    assert idle_processors(10**6) == os.cpu_count()
    program = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    with contextlib.ExitStack() as stack:
        for _ in range(os.cpu_count() + 1):
            process = stack.enter_context(subprocess.Popen(program, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            process.stdout.readline()
        assert idle_processors(1) < 0


def test_a_trial_is_short():
    """At the most a 25th of the time goes into trials, and never more than 40 ms at a time."""
    team, trials = TeamSize(2), []
    now = 0.0
    while now < 20:
        size, work = team.choose()
        took = work * 1e-5 * size
        team.record(size, took, work)
        now += took
        if size == 2 and now > 2:
            trials.append(took)
    # Another number takes twice as long here as was expected.
    assert max(trials) <= 2 * LONGEST_TRIAL + 1e-9
    assert sum(trials) < 2 * 18 / 25


def test_calls_of_other_sizes_are_only_counted():
    team = TeamSize(4)
    for _ in range(100):
        team.record(3, 0.1, 1)
    assert team.choose() == (4, 1)
    assert team.seconds == {3: pytest.approx(10)}
    assert team.usual == 3


def test_one_thread_has_nothing_to_choose():
    team = TeamSize(1)
    for _ in range(10):
        size, work = team.choose()
        assert size == 1
        team.record(1, 0.01 * work, work)


def test_estimate_before_anything_is_measured():
    assert worthwhile(0, 8) == 1
    assert worthwhile(1e3, 8) == 1
    assert worthwhile(1e12, 8) == 8
    estimates = [worthwhile(10.0**i, 64, meet=True) for i in range(3, 12)]
    assert estimates == sorted(estimates)
    assert worthwhile(1e7, 64, meet=True) > worthwhile(1e7, 64)
