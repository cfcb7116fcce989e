"""One implementation in its own process: prepares, then runs once for every line on its input.

Started as `python -P worker.py '{"module": ..., "task": ..., ...}'`; answers in lines of JSON.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from types import ModuleType


def import_benchmarks() -> None:
    """Make `benchmarks` importable without the folder around it, where an uncompiled mlpcore
    lies: `import mlpcore` must find the installed one."""
    package = ModuleType("benchmarks")
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules["benchmarks"] = package


def measure(implementation, repeat: int) -> float:
    start = perf_counter()
    value = implementation.run(repeat)
    return perf_counter() - start if value is None else value


def fastest(action, task, data, settings: list[dict]):
    """Try each setting briefly; return the fastest, prepared, and the times of all."""
    best, trials = None, []
    for setting in settings:
        try:
            implementation = action(task, data, setting)
            measure(implementation, 1)  # compiles
            seconds = min(measure(implementation, 1) for _ in range(3))
        except Exception as error:  # for example torch.compile without a C++ compiler
            trials.append({**setting, "failed": f"{type(error).__name__}: {error}"[:200]})
            continue
        trials.append({**setting, "seconds": seconds})
        if best is None or seconds < best[0]:
            best = seconds, implementation, setting
    if best is None:
        raise RuntimeError(f"no setting works: {trials}")
    return *best[1:], trials


def main(job: dict, answer) -> None:
    from benchmarks.tasks import Task, load

    try:
        module = importlib.import_module(f"benchmarks.implementations.{job['module']}")
    except ModuleNotFoundError as error:
        if error.name.startswith("benchmarks"):
            raise
        answer(missing=error.name)
        return
    task = Task(**{**job["task"], "hidden": tuple(job["task"]["hidden"])})
    data = load(task)
    settings = []
    for setting in module.settings(task, job["threads"]):
        if (fixed := {**setting, **job["setting"]}) not in settings:
            settings.append(fixed)
    action = module.ACTIONS[task.action]
    if len(settings) == 1:
        implementation, setting, trials = action(task, data, settings[0]), settings[0], []
    else:
        implementation, setting, trials = fastest(action, task, data, settings)
    answer(trials=trials)
    for _ in sys.stdin:
        value = measure(implementation, task.repeat)
        answer(value=value / task.units, outcome=implementation.outcome(), setting=setting)


if __name__ == "__main__":
    import_benchmarks()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the answers

    def answer(**fields) -> None:
        print(json.dumps(fields), file=channel, flush=True)

    main(json.loads(sys.argv[1]), answer)
