"""Fuzz the readers of untrusted files, one target after the other.

    python tools/fuzz.py [--seconds N] [--folder FOLDER] [--json FILE] [TARGET ...]

Needs `pip install -e ".[fuzz]"`. Each target of tests/fuzz gets N seconds. FOLDER keeps
inputs that reached new code, from which the next run starts, and any input that violated a
guarantee. A record of each run is added to FILE.
"""

import argparse
import importlib.metadata
import json
import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("idx", "npz", "model", "checkpoint")

# No file of at most this many bytes may take as much memory, or as many seconds.
LONGEST, MEGABYTES, SECONDS = 1 << 16, 1024, 20


def fuzz(target, seconds, folder):
    """Run one target; return its record, with whether anything was found."""
    corpus = folder / target
    corpus.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    limits = [f"-max_len={LONGEST}", f"-rss_limit_mb={MEGABYTES}", f"-timeout={SECONDS}"]
    limits += [f"-report_slow_units={SECONDS}"]  # not earlier, on a machine with other work
    command = [
        *(sys.executable, ROOT / "tests" / "fuzz", target, corpus),
        *(f"-max_total_time={seconds}", f"-artifact_prefix={folder}/{target}-", *limits),
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    total = re.search(r"^Done (\d+) runs in (\d+) second", done.stderr, re.M)
    last = re.findall(r"^#(\d+)\t\w+ +cov: (\d+) ft: \d+ corp: (\d+)", done.stderr, re.M)
    found = sorted(path.name for path in set(folder.iterdir()) - before if path.is_file())
    found = [name for name in found if not name.endswith(".words")]
    record = {
        "target": target,
        "seconds": int(total[2]) if total else None,
        "executions": int(total[1] if total else last[-1][0] if last else 0),
        "edges": int(last[-1][1]) if last else 0,
        "inputs": int(last[-1][2]) if last else 0,
        "found": found,
        "python": platform.python_version(),
        "atheris": importlib.metadata.version("atheris"),
    }
    if done.returncode or not total:
        print(done.stderr[-6000:], file=sys.stderr)
        record["found"] = found or [f"exit status {done.returncode}"]
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=30, help="for each target (30)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}")
    bad = False
    for target in options.targets or TARGETS:
        record = fuzz(target, options.seconds, options.folder)
        print("{target}: {executions} inputs, {edges} edges, found: {found}".format(**record))
        bad |= bool(record["found"])
        if options.json:
            records = json.loads(options.json.read_text()) if options.json.exists() else []
            options.json.write_text(json.dumps([*records, record], indent=1) + "\n")
    sys.exit(bad)


if __name__ == "__main__":
    main()
