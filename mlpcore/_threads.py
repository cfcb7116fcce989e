"""The number of threads that a call may use if the caller does not set one."""

from __future__ import annotations

import functools
import math
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# OpenMP takes a list, too: one number for each level of nesting.
_NUMBER = re.compile(r"\s*(\d{1,9})\s*(?:,.*)?", re.ASCII | re.DOTALL)


def available_threads() -> int:
    """The number of threads for ``n_threads=None`` at this moment.

    The least of the cores that this process may run on, the CPU quota of its container, and the
    environment's ``LOKY_MAX_CPU_COUNT`` and ``OMP_NUM_THREADS``, by which joblib's loky divides the
    cores among its processes. One thread inside the other workers of joblib, multiprocessing and
    Dask, for which no such number is set: daemonic processes, the threads of the threading backend,
    and Dask's tasks, each of which has one of its worker's threads.

    Returns
    -------
    n_threads : int
        From 1.
    """
    if _in_a_worker():
        return 1
    limits = [_cores(), _cpu_quota()]
    limits += [_number(os.environ.get(name)) for name in ("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS")]
    return min(limit for limit in limits if limit is not None)


def _in_a_worker() -> bool:
    # A module that is not loaded has no workers in this process.
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.current_process().daemon:
        return True
    if _in_a_dask_task():
        return True
    active_backend = getattr(sys.modules.get("joblib.parallel"), "get_active_backend", None)
    if active_backend is None or threading.current_thread() is threading.main_thread():
        return False
    return bool(getattr(active_backend()[0], "nesting_level", 0))


def _in_a_dask_task() -> bool:
    get_worker = getattr(sys.modules.get("distributed.worker"), "get_worker", None)
    if get_worker is None:
        return False
    try:
        return get_worker() is not None
    except ValueError:  # what Dask raises outside of tasks
        return False


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _number(text: str | None) -> int | None:
    """A number of threads from 1, or None."""
    found = _NUMBER.fullmatch(text or "")
    return (found and int(found[1])) or None


@functools.cache
def _cpu_quota() -> int | None:
    """Cores that the control groups of this process allow it, rounded up, or None.

    Read once: it takes longer than a small prediction.
    """
    try:
        groups = Path("/proc/self/cgroup").read_text()
        mounts = Path("/proc/self/mountinfo").read_text()
        return _least_quota(groups, mounts)
    except (OSError, ValueError):  # not Linux, or not as its manual says
        return None


def _least_quota(groups: str, mounts: str) -> int | None:
    """The quota by the content of ``/proc/self/cgroup`` and ``/proc/self/mountinfo``."""
    quotas = [quota for folder in _cgroup_folders(groups, mounts) for quota in _quotas(folder)]
    return max(1, math.ceil(min(quotas))) if quotas else None


def _cgroup_folders(groups: str, mounts: str) -> Iterator[Path]:
    """The folders of the control groups of this process, each followed by its parents; see
    cgroups(7) and proc(5)."""
    ours: dict[str, PurePosixPath] = {}  # the group in each version's hierarchy
    for line in groups.splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            ours["cgroup" if controllers else "cgroup2"] = PurePosixPath(group)
    for line in mounts.splitlines():
        fields, _, system = line.partition(" - ")
        version, _, options = system.split(" ", 2)
        if version not in ours or (version == "cgroup" and "cpu" not in options.split(",")):
            continue
        path = ours[version]
        root, mounted = fields.split(" ")[3:5]
        # In a container the path may be the host's, and then only the mount is visible.
        visible = path.is_relative_to(root) and ".." not in path.parts
        inside = path.relative_to(root) if visible else PurePosixPath()
        # mutant: overlook an outer quota
        yield from (Path(mounted, folder) for folder in (inside, *inside.parents))


def _quotas(folder: Path) -> Iterator[float]:
    """The quota of one control group in cores, if it has one."""
    for names in [("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")]:
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            if int(quota) > 0 and int(period) > 0:
                yield int(quota) / int(period)
        except (OSError, ValueError):  # no such file, or "max" for no limit
            continue
