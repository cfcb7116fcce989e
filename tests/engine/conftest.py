"""In the engine's tests all threads work: else a measurement decides, and one may do everything."""

import pytest

from mlpcore.engine.team_size import TeamSize


@pytest.fixture(autouse=True)
def all_threads_work(monkeypatch):
    monkeypatch.setattr(TeamSize, "choose", lambda self: (self.largest, 10**9))
