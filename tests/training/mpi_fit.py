"""A fit by several processes: run by test_mpi.py under mpiexec, or alone without MPI.

``python mpi_fit.py FOLDER EPOCHS WAIT``: the rows are one file of the folder, the checkpoint lies
there, and each process writes a digest of its model. An epoch takes WAIT seconds more.
"""

import hashlib
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from mlpcore import NeuralNetMLP, rank_rows

folder, epochs, wait = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
warnings.filterwarnings("ignore", "the . ranks exchanged")
X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy", mmap_mode="r")
options, rank = {"shards": 16}, 0
if os.environ.get("WITH_MPI"):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    rank, mine = comm.rank, rank_rows(comm, len(X))
    X, y, options = X[mine], y[mine], {"comm": comm}
    (folder / f"pid{rank}").write_text(str(os.getpid()))
model = NeuralNetMLP(
    n_hidden=20, epochs=epochs, eta=0.002, minibatch_size=50, seed=1, n_threads=1, dropout=0.2,
    optimizer="adam", callback=lambda epoch, history: time.sleep(wait),
)  # fmt: skip
model.fit(X, y, checkpoint=folder / "run.ckpt" if wait else None, **options)
digest = hashlib.sha256(model._network.parameters.tobytes() + repr(model.eval_).encode())
(folder / f"digest{rank}").write_text(digest.hexdigest())
