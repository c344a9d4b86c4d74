"""Notebook runs on a Dask cluster: `python -m ci.run_labs … --dask tcp://scheduler:8786`

Whatever started the cluster (`dask scheduler` and `dask worker`, dask-ssh, dask-jobqueue, dask-kubernetes): each worker
runs in a checkout of this version and has one thread, `dask worker --nthreads 1 …`. A notebook travels as bytes and
comes back as bytes, since workers may share no disk. The kernels of a worker that dies end with it, and Dask gives its
notebooks to others; what is cancelled ends within a second.
"""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

from distributed import get_worker

from ci.execute import Execution, Job, environment
from ci.result import Failure, Result
from ci.watch import end, watched_room
from seqlab.train.cluster import connect

OPTIONS = ("mode", "seed", "cell_timeout", "total_timeout", "max_kb")


def remote(key: str, name: str, files: dict[str, bytes], edition: str, options: dict[str, Any], digest: str) -> tuple:
    """On a worker: the result of one notebook as a dictionary, and the notebook as it was executed."""
    from ci.run_labs import digest as mine

    worker = get_worker()
    say = lambda place: worker.log_event(key, {"worker": worker.address, "place": place})
    say("begins")
    with watched_room() as room, mock.patch.dict(os.environ, environment(room)):
        for file, content in files.items():
            (room / file).write_bytes(content)
        claims = room / "claims.toml" if "claims.toml" in files else None
        chosen = argparse.Namespace(**options, films=False, claims=claims, build=room / "build")
        if mine(room / name, edition, chosen) != digest:
            words = f"the worker {worker.address} has another version of seqlab: update its checkout, or start it there"
            stem = Path(name).stem
            return asdict(Result(stem, edition, chosen.mode, chosen.seed, failures=[Failure("runner", words)])), b""
        job = Job(room / name, edition, chosen, digest, room / "job")
        for folder in (job.folder, job.scratch):
            folder.mkdir(parents=True)
        with ended_where_cancelled(worker, key, job.scratch):
            result = Execution(job, say).run()
        return asdict(result), job.notebook.read_bytes() if job.notebook.exists() else b""


@contextmanager
def ended_where_cancelled(worker: Any, key: str, room: Path):
    """End the processes of `room` where nobody waits for the task any more; a worker's threads cannot be ended."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                return end(room)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


class Cluster:
    """A Dask cluster that is there already, in the place of this machine's own cores.

    Raises ConnectionError, with what to do, where no scheduler or no worker answers.
    """

    def __init__(self, address: str):
        self.client = connect(address)

    def execute(self, job: Job, tell: Callable[[str], None]) -> Result:
        """What became of the job on some worker; its notebook is written here."""
        key, began = f"{job.source.stem}-{job.edition}-{uuid4().hex[:8]}", []
        files = {job.source.name: job.source.read_bytes()}
        if job.chosen.claims:
            files["claims.toml"] = job.chosen.claims.read_bytes()

        def hear(event: tuple[float, dict[str, str]]) -> None:
            if event[1]["place"] == "begins":
                began.append(event[1]["worker"])
            tell(f"{event[1]['place']} on {event[1]['worker']}")

        self.client.subscribe_topic(key, hear)
        options = {name: getattr(job.chosen, name) for name in OPTIONS}
        given = (key, job.source.name, files, job.edition, options, job.digest)
        future = self.client.submit(remote, *given, key=key, pure=False)
        try:
            stored, notebook = future.result()
        except Exception as error:  # each worker that took it died, say
            words = f"{len(began)} workers took it, none brought it back: {type(error).__name__}: {error}"
            return Result(
                job.source.stem, job.edition, job.chosen.mode, job.chosen.seed, failures=[Failure("cluster", words)]
            )
        finally:
            self.client.unsubscribe_topic(key)
        result = Result.of(stored)
        if len(began) > 1:
            result.notes.append(f"begun anew on {began[-1]}: {', '.join(began[:-1])} was lost")
        if notebook:
            job.notebook.write_bytes(notebook)
        return result

    def close(self) -> None:
        self.client.close()
