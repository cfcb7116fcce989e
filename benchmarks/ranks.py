"""What several processes cost and bring: steps on 1, 2 and 4 ranks, and a model of more machines.

``python -m benchmarks.ranks`` measures on this machine, as root also between two network namespaces
whose link is limited to some rates, fits the model and writes results/ranks.json; with
``--report`` it writes the table and the picture of docs/guide/machines.md from that file. It needs
the extra mpi, and `ip` and `tc` for the namespaces.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.report import amount

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "ranks.json"
PAGE = HERE.parent / "docs" / "guide" / "machines.md"
PICTURE = HERE.parent / "docs" / "images" / "machines.png"
NETWORKS = {
    "784-100-10": (784, 100, 10),
    "784-1000-500-10": (784, 1000, 500, 10),
    "2500-2000-1500-1000-500-10": (2500, 2000, 1500, 1000, 500, 10),
}
BATCHES = (256, 1024, 4096)
SIZES = (1, 2, 4)
GBIT = (1, 10, 100)
LATENCY = {1: 30e-6, 10: 15e-6, 100: 3e-6}  # seconds of a small message, as usual for these
MACHINES = (2, 8, 64, 1024)
ADDRESSES = {"mlp0": "10.99.0.1", "mlp1": "10.99.0.2"}


def n_parameters(widths):
    return sum((a + 1) * b for a, b in pairwise(widths))


# The work of one rank; run under mpiexec.


def work(name, batch, seconds):
    """Steps of one network: their time, and what of it is computing."""
    from mpi4py import MPI

    from mlpcore.engine.inputs import Input
    from mlpcore.engine.network import Network
    from mlpcore.engine.sharded import ShardedTrainer
    from mlpcore.training.ranks import Ranks
    from mlpcore.training.shared import Shared

    comm, widths = MPI.COMM_WORLD, NETWORKS[name]
    rng = np.random.default_rng(0)
    with Ranks(comm, comm.size) as ranks:  # a shard for each, as large networks should have
        rows = batch // comm.size
        shared = Shared(ranks, [rows] * comm.size, "X")
        grid = shared.grid(batch)
        X = rng.normal(size=(rows, widths[0])).astype(np.float32)
        network = Network(widths, activation="relu", dtype="float32")
        for weights in network.coefs:
            weights[:] = np.random.RandomState(0).normal(0, 0.02, weights.shape)
        trainer = ShardedTrainer(
            network, Input(X, "float32"), np.zeros(rows, np.intc), learning_rate=1e-6,
            minibatch_size=grid.largest, average=True, n_threads=1,
        )  # fmt: skip
        trainer.divide(ranks, grid)
        order, steps = grid.order(None, False), []
        with trainer:
            until, stop = time.perf_counter() + seconds, False
            while not stop:
                trainer.epoch(order)
                steps.append((trainer.work_seconds, trainer.exchange_seconds))
                stop = ranks.agree(stop=len(steps) >= 4 and time.perf_counter() > until)
        median = np.median(steps[1:], axis=0).tolist()
        every = ranks.gather(median)
    if comm.rank == 0:
        print(json.dumps({
            "work": max(each[0] for each in every),
            "exchange": min(each[1] for each in every),
            "step": float(np.median([sum(each) for each in every])),
            "steps": len(steps) - 1,
        }))  # fmt: skip


def ping(_name, _batch, seconds):
    """Latency, and seconds a byte, of messages between two ranks that go both ways at once."""
    from mpi4py import MPI

    comm, found = MPI.COMM_WORLD, []
    for size in (8, 1 << 20):
        data, other = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        times = []
        for _ in range(max(4, int(seconds * (100 if size == 8 else 4)))):
            begin = time.perf_counter()
            comm.Sendrecv(data, dest=1 - comm.rank, recvbuf=other, source=1 - comm.rank)
            times.append(time.perf_counter() - begin)
        found.append(float(np.median(times[1:])))
    if comm.rank == 0:
        print(json.dumps({"latency": found[0], "per_byte": (found[1] - found[0]) / (1 << 20)}))


# Runs of them.


def launch(size, task, name="", batch=0, seconds=1.0, hosts=None):
    """Run a task in `size` ranks, which the hosts (namespaces) share; what it prints."""
    mpiexec = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    command = [mpiexec, "-n", str(size)]
    if hosts:
        command = ["ip", "netns", "exec", "mlp0", mpiexec, "-launcher", "rsh", "-launcher-exec",
                   hosts, "-hosts", ",".join(f"{a}:{size // 2}" for a in ADDRESSES.values()),
                   "-n", str(size)]  # fmt: skip
    command += [sys.executable, "-m", "benchmarks.ranks", "--task", task, "--name", name,
                "--batch", str(batch), "--seconds", str(seconds)]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=environment, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


class Namespaces:
    """Two network namespaces with a link between them: two hosts on one machine."""

    def __init__(self, gbit):
        self.gbit = gbit

    def __enter__(self):
        self.remove()
        for name in ADDRESSES:
            run("ip", "netns", "add", name)
        run("ip", "link", "add", "veth0", "netns", "mlp0", "type", "veth", "peer", "name", "veth1",
            "netns", "mlp1")  # fmt: skip
        for i, (name, address) in enumerate(ADDRESSES.items()):
            inside = ("ip", "netns", "exec", name)
            run(*inside, "ip", "addr", "add", f"{address}/24", "dev", f"veth{i}")
            run(*inside, "ip", "link", "set", f"veth{i}", "up")
            run(*inside, "ip", "link", "set", "lo", "up")
            run(*inside, "tc", "qdisc", "add", "dev", f"veth{i}", "root", "tbf", "rate",
                f"{self.gbit}gbit", "burst", "1mb", "latency", "50ms")  # fmt: skip
        self.folder = tempfile.TemporaryDirectory()
        script = Path(self.folder.name, "enter.sh")
        cases = "".join(f"{address}) name={name};;\n" for name, address in ADDRESSES.items())
        script.write_text(
            "#!/bin/sh\n"
            'while [ "${1#-}" != "$1" ]; do shift; done\n'
            f"case $1 in\n{cases}esac\nshift\n"
            'exec ip netns exec $name unshare -m -u sh -c "hostname $name; '
            'mount -t tmpfs none /dev/shm; exec $*"\n'
        )
        script.chmod(0o755)
        return str(script)

    def __exit__(self, *_):
        self.remove()
        self.folder.cleanup()

    def remove(self):
        for name in ADDRESSES:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def run(*command):
    subprocess.run(command, check=True)


def measure(rates, seconds, batches):
    """Steps of all networks on one machine, and with two hosts for each rate."""
    cases = []
    for gbit in (None, *rates):
        with ExitStack() as stack:
            hosts = None if gbit is None else stack.enter_context(Namespaces(gbit))
            link = launch(2, "ping", seconds=seconds, hosts=hosts)
            for name in NETWORKS:
                for batch in batches:
                    for size in SIZES if gbit is None else SIZES[1:]:
                        case = launch(size, "work", name, batch, seconds, hosts)
                        cases.append({"network": name, "batch": batch, "ranks": size,
                                      "gbit": gbit, **link, **case})  # fmt: skip
                        print(cases[-1], flush=True)
    return cases


# The model: seconds of a step are `fixed + per_row * rows / ranks`, and those of the exchange.


def fit_work(cases, name):
    """Seconds of a step that do not depend on the rows, and seconds for a row, on one rank."""
    own = [case for case in cases if case["network"] == name and case["ranks"] == 1]
    rows = np.array([case["batch"] for case in own], float)
    seconds = np.array([case["work"] for case in own])
    # Relative errors count, so that short steps do as well.
    design = np.column_stack([np.ones_like(rows), rows]) / seconds[:, np.newaxis]
    (fixed, per_row), *_ = np.linalg.lstsq(design, np.ones_like(rows), rcond=None)
    return max(0.0, fixed), per_row


def exchange(n_bytes, ranks, latency, per_byte):
    """Seconds of a sum of gradients by halves: log2(ranks) messages there, and as many back."""
    rounds = np.log2(ranks)
    if ranks == 2:
        return latency + n_bytes * per_byte
    return 2 * rounds * latency + 2 * n_bytes * (1 - 1 / ranks) * per_byte


def step(fixed, per_row, rows, n_bytes, ranks, latency, per_byte):
    return fixed + per_row * rows / ranks + exchange(n_bytes, ranks, latency, per_byte)


def pays_from(fixed, per_row, n_bytes, ranks, latency, per_byte, gain):
    """Rows of a minibatch from which a step is `gain` times as fast as on one machine."""
    # fixed + per_row * m >= gain * (fixed + per_row * m / ranks + exchange)
    cost = exchange(n_bytes, ranks, latency, per_byte)
    return (gain * (fixed + cost) - fixed) / (per_row * (1 - gain / ranks))


def predictions(results):
    """Each measured case of two hosts beside the model's number."""
    for case in results["cases"]:
        if case["gbit"] is None or case["ranks"] != 2:
            continue
        fixed, per_row = fit_work(results["cases"], case["network"])
        n_bytes = 4 * n_parameters(NETWORKS[case["network"]])
        yield case, step(fixed, per_row, case["batch"], n_bytes, case["ranks"], case["latency"],
                         case["per_byte"])  # fmt: skip


def one_machine(results):
    """The table of steps on one machine, in lines of Markdown."""
    steps = {(c["network"], c["batch"], c["ranks"]): c for c in results["cases"] if not c["gbit"]}
    yield "| network | rows | " + " | ".join(f"{n} process{'es' * (n > 1)}" for n in SIZES) + " |"
    yield "| --- | --: |" + " --: |" * len(SIZES)
    for name in NETWORKS:
        for batch in BATCHES:
            cells = []
            for case in (steps[name, batch, n] for n in SIZES):
                share = f", {case['exchange'] / case['step']:.0%}" if case["ranks"] > 1 else ""
                cells.append(amount(case["step"], "s") + share)
            yield f"| {name} | {batch:,} | {' | '.join(cells)} |"


def two_hosts(results):
    """The table of steps of two hosts beside the model, in lines of Markdown."""
    yield "| network | rows | link | measured | model |"
    yield "| --- | --: | --: | --: | --: |"
    for case, model in predictions(results):
        yield (
            f"| {case['network']} | {case['batch']:,} | {case['gbit']} Gbit/s | "
            f"{amount(case['step'], 's')} | {amount(model, 's')} |"
        )


def tables(results):
    """The tables of the page, in Markdown."""
    lines = list(one_machine(results))
    if any(case["gbit"] for case in results["cases"]):
        lines += ["", *two_hosts(results)]
    lines += ["", "| network | link | " + " | ".join(f"{n:,} machines" for n in MACHINES) + " |",
              "| --- | --: |" + " --: |" * len(MACHINES)]  # fmt: skip
    for name, widths in NETWORKS.items():
        fixed, per_row = fit_work(results["cases"], name)
        for gbit in GBIT:
            link = LATENCY[gbit], 8e-9 / gbit
            rows = [
                pays_from(fixed, per_row, 4 * n_parameters(widths), n, *link, max(1.5, n / 2))
                for n in MACHINES
            ]
            cells = [f"{rounded(number):,}" for number in rows]
            lines.append(f"| {name} | {gbit} Gbit/s | {' | '.join(cells)} |")
    return "\n".join(lines)


def rounded(number):
    """Two digits, upwards."""
    unit = 10 ** max(0, int(np.log10(number)) - 1)
    return int(np.ceil(number / unit) * unit)


def draw(results):
    """How many times as fast a step is, by machines and rows of a minibatch, at 10 Gbit/s."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(NETWORKS), figsize=(10, 3.4), sharey=True)
    for axis, (name, widths) in zip(axes, NETWORKS.items(), strict=True):
        fixed, per_row = fit_work(results["cases"], name)
        n_bytes = 4 * n_parameters(widths)
        machines = 2 ** np.arange(0, 11)
        for rows in (1_000, 10_000, 100_000, 1_000_000):
            one = fixed + per_row * rows
            speed = [
                one / (one if n == 1 else
                       step(fixed, per_row, rows, n_bytes, n, LATENCY[10], 8e-9 / 10))
                for n in machines
            ]  # fmt: skip
            axis.plot(machines, speed, label=f"{rows:,} rows")
        axis.plot(machines, machines, "k:", lw=1)
        axis.axhline(1, color="0.8", lw=1)
        axis.set(xscale="log", yscale="log", title=name, xlabel="machines")
        axis.title.set_fontsize(9)
    axes[0].set_ylabel("speed of a step, one machine = 1")
    axes[-1].legend(fontsize=8, title="minibatch", title_fontsize=8)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=110)


def report(results):
    """Put the tables between the marks of the page, and draw the picture."""
    begin, end = "<!-- measured -->\n", "<!-- end of measured -->"
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    PAGE.write_text(
        f"{before}{begin}\n{tables(results)}\n\n![Speed of a step by machines](../images/"
        f"{PICTURE.name})\n\n{end}{rest.split(end)[1]}",
        encoding="utf-8",
    )
    draw(results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--report", action="store_true", help="only write page and picture")
    parser.add_argument("--quick", action="store_true", help="few cases, which are not kept")
    parser.add_argument("--rates", nargs="*", type=int, default=[1, 10], help="Gbit/s of the link")
    for name, default in (("task", ""), ("name", ""), ("batch", 0), ("seconds", 2.0)):
        parser.add_argument(f"--{name}", type=type(default), default=default,
                            help=argparse.SUPPRESS)  # fmt: skip
    options = parser.parse_args()
    if options.task:
        {"work": work, "ping": ping}[options.task](options.name, options.batch, options.seconds)
    elif options.report:
        report(json.loads(RESULTS.read_text()))
    elif options.quick:
        measure(options.rates[:1], 0.2, BATCHES[:2])
    else:
        from benchmarks.machine import describe

        cases = measure(options.rates, options.seconds, BATCHES)
        results = {"machine": describe(list(os.sched_getaffinity(0))), "cases": cases}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        report(results)


if __name__ == "__main__":
    main()
