"""mlpcore with a fixed number of threads, for comparison with the number that it chooses itself."""

from mlpcore.engine import team_size, trainer


def always_all() -> None:
    """Let all of a fit's threads work all the time, in this process.

    mlpcore has no option for it, since it is of no use but as the other side of a comparison:
    ``n_threads`` is the most that a fit takes, and how many of them work is decided while it works.
    So this replaces the two parts of the engine that decide, and everything else stays.
    """
    choose_among_sizes = team_size.TeamSize.__init__

    def one_size(self, largest: int, first: int | None = None, idle: object = None) -> None:
        choose_among_sizes(self, largest)
        self.sizes, self._current = [largest], 0

    team_size.TeamSize.__init__ = one_size
    trainer.worthwhile = lambda products, n_threads, *, meet=False: n_threads
