"""Measurements and notebooks on a Dask cluster, whatever started it; each worker runs in a checkout of this version.

`dask scheduler` and, on each machine, `dask worker --nthreads 1 tcp://host:8786`; or dask-ssh, dask-jobqueue (SLURM),
dask-kubernetes. The tasks of a worker that dies go to others.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch

WAIT = 30  # seconds for the scheduler, and for its first worker


def connect(address: str) -> Any:
    """The client of a scheduler that has a worker. Raises ConnectionError, with what to do, where none answers."""
    try:
        from distributed import Client

        client = Client(address, timeout=WAIT, set_as_default=False)
        client.wait_for_workers(1, timeout=WAIT)
    except ImportError as error:
        raise ConnectionError(f"--dask: {error}; pip install 'seqlab[dask]'") from error
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"--dask {address}: no worker answers there within {WAIT} s ({error}). Start them in this checkout: "
            f"dask scheduler --port 8786, then dask worker --nthreads 1 {address} on each machine"
        ) from error
    return client


def made(client: Any, module: str, options: dict, name: str, setting: dict, wanted: list[tuple]) -> Iterator[dict]:
    """The cells of these values, as workers bring them back; of part `name` of the experiment of `module`."""
    from distributed import as_completed

    tasks = [client.submit(cell, module, options, name, setting, values, pure=False) for values in wanted]
    for task in as_completed(tasks, client.loop):
        yield task.result()


def cell(module: str, options: dict, name: str, setting: dict, values: tuple) -> dict:
    """On a worker: one cell, on one thread. RuntimeError where its version of the part has another setting."""
    torch.set_num_threads(1)
    part = import_module(module).EXPERIMENT.parts(**options)[name]
    if json.dumps(part.setting) != json.dumps(setting):
        raise RuntimeError(f"{module}, {name}: the worker has another version of seqlab: update its checkout")
    return next(part.made([values]))
