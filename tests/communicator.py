"""A communicator of threads, for tests of fits that several processes share."""

import queue
import threading

import numpy as np

LONGEST = 60  # seconds that a rank waits for another one


class Communicator:
    """One rank; `rank`, `size`, `Sendrecv` and `Bcast` as mpi4py's communicators have them."""

    def __init__(self, rank, size, mail):
        self.rank, self.size, self._mail = rank, size, mail

    def _send(self, buffer, to):
        self._mail[self.rank, to].put(np.array(buffer, copy=True))

    def _receive(self, buffer, source):
        got = self._mail[source, self.rank].get(timeout=LONGEST)
        assert got.dtype == buffer.dtype
        assert got.nbytes == buffer.nbytes
        buffer[...] = got

    def Sendrecv(self, sendbuf, dest, sendtag=0, recvbuf=None, source=None, recvtag=None):
        self._send(sendbuf, dest)
        self._receive(recvbuf, source)

    def Bcast(self, buf, root=0):
        if self.rank == root:
            for other in set(range(self.size)) - {root}:
                self._send(buf, other)
        else:
            self._receive(buf, root)


def in_ranks(size, work):
    """Call ``work(comm)`` in that many threads; what each returns, or the exception it raises."""
    mail = {(i, j): queue.Queue() for i in range(size) for j in range(size)}
    results = [None] * size

    def run(rank):
        try:
            results[rank] = work(Communicator(rank, size, mail))
        except BaseException as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def results_of(size, work):
    """The same where no rank may raise."""
    results = in_ranks(size, work)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
