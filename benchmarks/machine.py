"""The machine that the benchmarks run on: processors, caches, system, versions."""

import json
import multiprocessing
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic, perf_counter, sleep

PACKAGES = "mlpcore", "numpy", "scipy", "torch", "torchvision", "jax", "jaxlib", "scikit-learn"
CPU = Path("/sys/devices/system/cpu")
ROUND_TRIPS = 10_000  # between two processes that wait for each other; even
PATIENCE = 30.0  # seconds that a run waits for a short round trip


def read(path: Path, default: str = "") -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return default


def cores(count: int) -> list[int]:
    """`count` processors that this process may use, of as many physical cores as there are."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(min(count, os.cpu_count() or 1)))
    allowed = sorted(os.sched_getaffinity(0))
    siblings = [read(CPU / f"cpu{cpu}/topology/thread_siblings_list", str(cpu)) for cpu in allowed]
    first = [cpu for n, cpu in enumerate(allowed) if siblings[n] not in siblings[:n]]
    return (first + [cpu for cpu in allowed if cpu not in first])[:count]


def pin(processors: Iterable[int]) -> None:
    """Keep this process and those it starts on `processors`; XLA takes its threads from that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


def environment(threads: int) -> dict[str, str]:
    names = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
    return {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONHASHSEED": "0"}


def load() -> float:
    """The number of processes that ran during the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Let so many other programs compute, each on one thread, until the block is left.

    They inherit the processors that this process is kept on, and the system moves them among
    these as it likes.
    """
    program = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen(program, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            process.stdout.readline()
        yield


def play(memory: memoryview, mine: int, theirs: int, partner, times: int) -> None:
    """Write a number and wait for the partner's, `times` times; `mine` 0 begins."""
    for count in range(1, times + 1):
        if mine == 0:
            memory[mine] = count % 2
        spins = 0
        while memory[theirs] != count % 2:
            spins += 1
            if spins % 100_000 == 0 and not partner.is_alive():
                raise RuntimeError("the process on the other processor has ended")
        if mine != 0:
            memory[mine] = count % 2


def round_trip(processors: list[int]) -> float | None:
    """Nanoseconds from one of the first two processors to the other and back, through memory.

    Two processes wait for each other's numbers; some hundred nanoseconds are the interpreter's.
    None where there is one processor, or processes cannot be pinned.
    """
    if len(processors) < 2 or not hasattr(os, "sched_setaffinity"):
        return None
    context = multiprocessing.get_context("fork")
    memory = memoryview(context.RawArray("B", 256)).cast("B")

    def answer() -> None:
        pin(processors[1:2])
        play(memory, 128, 0, multiprocessing.parent_process(), 2 * ROUND_TRIPS)

    child = context.Process(target=answer, daemon=True)
    child.start()
    allowed = os.sched_getaffinity(0)
    pin(processors[:1])
    try:
        play(memory, 0, 128, child, ROUND_TRIPS)  # until the other process runs at full speed
        start = perf_counter()
        play(memory, 0, 128, child, ROUND_TRIPS)
        passed = perf_counter() - start
    finally:
        pin(allowed)
        child.kill()
        child.join()
    return 1e9 * passed / ROUND_TRIPS


class Neighbours:
    """The processors of a virtual machine, which may share a cache now and not a few seconds later.

    Parameters
    ----------
    processors : list of int
    """

    def __init__(self, processors: list[int]) -> None:
        self.processors, self.shortest = processors, None

    def settle(self) -> float | None:
        """Wait for a round trip about as short as the best measurement; return it."""
        deadline = monotonic() + PATIENCE
        while True:
            times = [round_trip(self.processors) for _ in range(3)]
            if None in times:
                return None
            trip = min(times)
            self.shortest = min(trip, self.shortest or trip)
            if trip < 1.5 * self.shortest or monotonic() > deadline:
                return trip
            sleep(1)


def describe(processors: list[int]) -> dict:
    info = {}
    for line in read(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    flags = info.get("flags", "").split()
    caches = (CPU / f"cpu{processors[0]}/cache").glob("index*")
    sizes = {f"L{read(c / 'level')} {read(c / 'type')}": read(c / "size") for c in sorted(caches)}
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "family/model": f"{info.get('cpu family', '?')}/{info.get('model', '?')}",
        "instruction sets": [f for f in ("avx2", "fma", "avx512f", "amx_tile") if f in flags],
        "caches": sizes,
        "cores used": len(processors),
        "cores": os.cpu_count(),
        "memory GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """The installed versions, and the engine's instruction set and BLAS."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    program = "import json, mlpcore; print(json.dumps(mlpcore.show_config('dicts')))"
    run = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    if run.returncode == 0:
        config = json.loads(run.stdout)
        found |= {
            "instruction set in use": config["simd"],
            "BLAS": ", ".join(sorted(config["blas"])),
        }
    return found
