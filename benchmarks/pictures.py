"""The report's two pictures: bars of ratios, and times over width, rows, minibatch and others."""

from math import ceil

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

from benchmarks.definitions import BENCHMARKS, Benchmark, Times
from benchmarks.report import PEERS, Results, headlines, medians

COLOURS = dict(zip(("mlpcore", *PEERS), ("k", "C0", "C1", "C2", "C3", "C4"), strict=True))


def ratios(results: Results) -> Figure:
    """Each peer's time over that of mlpcore; a bar left of the line: the peer is faster."""
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
    """A panel for every benchmark with cases on an axis."""
    swept = [BENCHMARKS[name] for name in results if BENCHMARKS[name].axis]
    lines = max(1, ceil(len(swept) / 3))
    figure = Figure(figsize=(12, 3.6 * lines), layout="constrained")
    for place, benchmark in enumerate(swept, start=1):
        ax = figure.add_subplot(lines, 3, place)
        panel(ax, benchmark, medians(results[benchmark.name]))
    return figure


def panel(ax, benchmark: Benchmark, times: Times) -> None:
    low, high = min(case.x for case in benchmark.cases), max(case.x for case in benchmark.cases)
    ax.set_xscale("log" if high > 20 * low > 1 else "linear")
    everything = []
    for implementation in benchmark.implementations:
        points = [
            (case.x, times[case.label][implementation.name])
            for case in benchmark.cases
            if implementation.name in times.get(case.label, {})
        ]
        if points:
            x, y = zip(*points, strict=True)
            name, _, way = implementation.name.partition(", ")
            ax.plot(x, y, "o:" if way else "o-", color=COLOURS[name], label=implementation.name)
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
    ax.set_title(benchmark.title, fontsize=9)
    ax.set(xlabel=benchmark.axis, ylabel=benchmark.unit)
    ax.legend(fontsize=8)
