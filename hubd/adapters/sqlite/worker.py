"""A thread that does what it is given, in order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class Worker:
    """One thread with a queue of jobs.

    It is a daemon thread: it never keeps a process from ending.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._run,
            name=name,
            daemon=True,
        )
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Hand in a job, which must not raise."""
        self._jobs.put(job)

    def submit_end(self) -> None:
        """End after what was handed in."""
        self._jobs.put(None)

    def end(self) -> None:
        """Finish what was handed in and end.

        Call it in a thread that may wait as long as the disk takes.
        """
        self.submit_end()
        self._thread.join()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            job()
            del job  # or what it holds would stay until the next one
