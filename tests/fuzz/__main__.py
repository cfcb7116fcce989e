"""A coverage-guided fuzzer over one target: python tests/fuzz TARGET FOLDER [options of libFuzzer]

FOLDER takes the seeds and keeps what is found to be new; tools/fuzz.py calls this.
"""

import hashlib
import sys
import warnings
from pathlib import Path

import atheris

sys.path[0] = str(Path(__file__).resolve().parent.parent)
with atheris.instrument_imports(include=["mlpcore", "zipfile", "json"]):
    from fuzz import mutations, targets


def main():
    name, folder, *options = sys.argv[1:]
    run, seeds = targets.TARGETS[name]
    corpus = Path(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    words = corpus.with_suffix(".words")
    words.write_text(
        "".join('"' + "".join(f"\\x{ord(c):02x}" for c in word) + '"\n' for word in targets.WORDS)
    )
    # Of headers that Python can parse only with a warning.
    warnings.simplefilter("ignore")
    atheris.Setup(
        [sys.argv[0], f"-dict={words}", *options, folder],
        run,
        custom_mutator=lambda data, longest, seed: mutations.change(
            data, longest, seed, atheris.Mutate
        ),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
