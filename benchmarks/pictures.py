"""The report's two pictures: bars of ratios, and time against width, rows, batch and the like."""

from math import ceil

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

from benchmarks.contests import CONTESTS, Contest, Times
from benchmarks.report import PEERS, Results, headlines, medians

COLOURS = dict(zip(("mlpcore", *PEERS), ("k", "C0", "C1", "C2", "C3", "C4"), strict=True))


def ratios(results: Results) -> Figure:
    """How many times mlpcore's time each peer takes; a bar left of the line is a case lost."""
    rows = headlines(results)
    bars = sum(len(row[2]) + 1 for row in rows)
    figure = Figure(figsize=(8, 1 + 0.18 * bars), layout="constrained")
    ax = figure.add_subplot(xscale="log", xlabel="time of the peer / time of mlpcore")
    line, ticks = 0, []
    for _, _, by_peer in rows:
        ticks.append(line + (len(by_peer) - 1) / 2)
        for peer, length in by_peer.items():
            # Drawn from 1, where neither is faster.
            bar = ax.barh(line, length - 1, 0.9, left=1, color=COLOURS[peer], label=peer)
            ax.bar_label(bar, [f"{length:.1f}"], padding=2, fontsize=7)
            line += 1
        line += 1
    ax.axvline(1, color="k", linewidth=1)
    ax.set_yticks(ticks, [row[0] for row in rows])
    ax.invert_yaxis()
    ax.margins(x=0.1, y=0.01)
    ax.xaxis.set_major_formatter("{x:g}")
    shown = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    peers = [peer for peer in PEERS if peer in shown]
    figure.legend([shown[peer] for peer in peers], peers, loc="outside upper center", ncols=5)
    return figure


def sweeps(results: Results) -> Figure:
    """A panel for every contest whose cases stand on an axis."""
    swept = [CONTESTS[name] for name in results if CONTESTS[name].axis]
    lines = max(1, ceil(len(swept) / 3))
    figure = Figure(figsize=(12, 3.6 * lines), layout="constrained")
    for place, contest in enumerate(swept, start=1):
        ax = figure.add_subplot(lines, 3, place)
        panel(ax, contest, medians(contest, results[contest.name]))
    return figure


def panel(ax, contest: Contest, times: Times) -> None:
    low, high = min(case.x for case in contest.cases), max(case.x for case in contest.cases)
    ax.set_xscale("log" if high > 20 * low > 1 else "linear")
    everything = []
    for entry in contest.entries:
        points = [
            (case.x, times[case.label][entry.name])
            for case in contest.cases
            if entry.name in times.get(case.label, {})
        ]
        if points:
            x, y = zip(*points, strict=True)
            name, _, way = entry.name.partition(", ")
            ax.plot(x, y, "o:" if way else "o-", color=COLOURS[name], label=entry.name)
            if way:
                ax.lines[-1].set_marker("^v"["sparse" in way])
            everything += y
            if len(x) < 4:
                ax.set_xticks(x)
    if everything and max(everything) > 4 * min(everything):
        ax.set_yscale("log")
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        ax.yaxis.set_minor_formatter(EngFormatter("s"))
    else:
        ax.set_ylim(0, 1.1 * max(everything, default=1))
    ax.yaxis.set_major_formatter(EngFormatter("s"))
    ax.set_title(contest.title, fontsize=9)
    ax.set(xlabel=contest.axis, ylabel=contest.unit)
    ax.legend(fontsize=8)
