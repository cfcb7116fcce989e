"""What the contests run on: processors, caches, system, versions."""

import json
import mmap
import os
import platform
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic, perf_counter_ns, sleep

PACKAGES = "mlpcore", "numpy", "scipy", "torch", "jax", "jaxlib", "scikit-learn"
CPU = Path("/sys/devices/system/cpu")


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


def pin(processors: list[int]) -> None:
    """Keep this process and those it starts on `processors`; XLA takes its threads from that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


def environment(threads: int) -> dict[str, str]:
    names = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
    return {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONHASHSEED": "0"}


def load() -> float:
    """How many processes have been running during the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def round_trip(processors: list[int], times: int = 20_000) -> float | None:
    """Nanoseconds from the first two processors' one to the other and back, by way of memory.

    Two processes wait for each other's numbers; some hundred nanoseconds are Python's. None where
    there is one processor, or no way to choose.
    """
    if len(processors) < 2 or not hasattr(os, "sched_setaffinity"):
        return None
    memory = memoryview(mmap.mmap(-1, mmap.PAGESIZE))
    if (child := os.fork()) == 0:
        signal.alarm(10)  # should the other one never write
        os.sched_setaffinity(0, processors[1:2])
        for turn in range(times):
            while memory[0] != turn % 2 + 1:
                pass
            memory[128] = turn % 2 + 1
        os._exit(0)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors[:1])
    for turn in range(times):
        if turn == times // 2:  # the other one has started
            start = perf_counter_ns()
        memory[0] = turn % 2 + 1
        while memory[128] != turn % 2 + 1:
            pass
    passed = perf_counter_ns() - start
    os.sched_setaffinity(0, allowed)
    os.waitpid(child, 0)
    return passed / (times - times // 2)


class Neighbours:
    """The processors of a virtual machine, which share a cache now and may not a few seconds later.

    Parameters
    ----------
    processors : list of int
    patience : float
        Seconds that `settle` waits.
    """

    def __init__(self, processors: list[int], patience: float = 30.0) -> None:
        self.processors, self.patience = processors, patience
        self.shortest = None

    def settle(self) -> float | None:
        """Wait until they are about as near as they have ever been seen; the round trip."""
        deadline = monotonic() + self.patience
        while True:
            trips = [round_trip(self.processors) for _ in range(3)]
            if None in trips:
                return None
            trip = min(trips)
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
    """Of what is installed; of the engine also its instruction set and the BLAS it calls."""
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
