"""A class on one server: `jupyterhub -f ci/hub/jupyterhub_config.py`, as root; README.md beside it says the rest.

Each student has an account of the machine, and a server that runs under it: what one may read, the system decides.
Another spawner (`--JupyterHub.spawner_class=docker`) brings limits of its own, and reads `mem_limit` and `cpu_limit`.
"""

import os
import resource
import sys
from pathlib import Path

from jupyterhub.spawner import LocalProcessSpawner

from seqlab.course.serve import FIRST, HIDDEN, SETTINGS

GB = 2**30
COURSE = os.environ.get("SEQLAB_COURSE", "/srv/seqlab")  # written by `python -m seqlab release`; students read it
LIMITS = {  # for each process of a student
    resource.RLIMIT_DATA: int(float(os.environ.get("SEQLAB_MEMORY_GB", "4")) * GB),
    resource.RLIMIT_FSIZE: GB,
    resource.RLIMIT_CORE: 0,
}
THREADS = 512  # of all processes of a student together


class Limited(LocalProcessSpawner):
    """The student's server as a process of the student's account; a cell that wants too much gets a MemoryError."""

    def make_preexec_fn(self, name):
        become = super().make_preexec_fn(name)

        def begin():
            for kind, most in LIMITS.items():
                resource.setrlimit(kind, (most, most))
            resource.setrlimit(resource.RLIMIT_NPROC, (THREADS, THREADS))
            become()

        return begin


c = get_config()  # JupyterHub puts it here
c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # a web server with a certificate stands in front
c.JupyterHub.spawner_class = Limited
c.Authenticator.allow_all = True  # who has an account here
c.Spawner.cmd = ["/bin/sh", str(Path(__file__).with_name("start.sh")), COURSE, sys.executable]
c.Spawner.args = [
    f"--LabServerApp.app_settings_dir={SETTINGS}",
    "--LabApp.extension_manager=readonly",
    *(f"--ContentsManager.hide_globs={pattern}" for pattern in HIDDEN),
    "--ServerApp.terminals_enabled=False",
    "--KernelManager.transport=ipc",  # ports of loopback are open to all users of the machine
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--ServerApp.shutdown_no_activity_timeout=7200",  # seconds; the next log-in starts it anew
]
c.Spawner.notebook_dir = "~/labs"
c.Spawner.default_url = f"/lab/tree/{FIRST}"
c.Spawner.environment = {"OMP_NUM_THREADS": "1"}  # many students, few cores
c.Spawner.mem_limit = LIMITS[resource.RLIMIT_DATA]
c.Spawner.cpu_limit = 1
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
