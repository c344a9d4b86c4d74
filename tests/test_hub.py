"""A class of two on loopback: each runs lab 00 in an own copy, and neither reads what is the other's."""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import websocket

from tests.places import ROOT

pytestmark = pytest.mark.slow
STUDENTS = ("seqlab-ada", "seqlab-bob")
SYSTEM = "/usr/bin/python3"  # students may run it; a Python below /root they may not
CONFIG = """
load_subconfig({config!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = [{command!r}]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {token!r}
c.JupyterHub.services = [{{"name": "test", "api_token": {token!r}}}]
scopes = ["admin:users", "admin:servers", "tokens"]
c.JupyterHub.load_roles = [{{"name": "test", "scopes": scopes, "services": ["test"]}}]
"""


def free_ports(count):
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def can_be_a_class():
    version = subprocess.run([SYSTEM, "--version"], capture_output=True, text=True).stdout.split()[-1:]
    return (
        os.geteuid() == 0
        and version
        and version[0].split(".")[:2] == [str(part) for part in sys.version_info[:2]]
        and all(map(shutil.which, ("npm", "useradd")))
        and all(folder.stat().st_mode & 0o005 == 0o005 for folder in ROOT.parents)
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A throw-away environment that all users of the machine may read: seqlab from its wheel, JupyterHub, the proxy."""
    folder = Path(f"/tmp/seqlab-hub-{uuid.uuid4().hex[:8]}")
    folder.mkdir(mode=0o755)
    python, wheels = folder / "env" / "bin" / "python", folder / "wheels"
    pip = [sys.executable, "-m", "pip"]
    into = [*pip, "--python", str(python), "install", "-q"]
    packages = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    try:
        subprocess.run([SYSTEM, "-m", "venv", "--without-pip", folder / "env"], check=True)
        next(folder.glob("env/lib/*/site-packages")).joinpath("more.pth").write_text(f"{packages}\n")
        subprocess.run([*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT], check=True)
        subprocess.run([*into, "--no-deps", *wheels.glob("*.whl")], check=True)
        subprocess.run([*into, "jupyterhub"], check=True)
        npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder / "proxy"]
        subprocess.run([*npm, "configurable-http-proxy"], check=True)
        release = [python, "-m", "seqlab", "release", folder / "course", "--labs", "00", "01"]
        subprocess.run(release, cwd=folder, check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def students():
    for name in STUDENTS:
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", name], check=True)
    yield STUDENTS
    for name in STUDENTS:
        subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)


def ask(address, token, method="GET", body=None):
    """(status, what came) of one call."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(address, data, {"Authorization": f"token {token}"}, method=method)
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except URLError as error:
        return getattr(error, "code", 0), None


def until(done, seconds=180):
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "the hub did not come so far"
        time.sleep(0.5)
    return found


class Kernel:
    """A kernel on a student's server, as the browser has it."""

    def __init__(self, server, token):
        _, kernel = ask(f"{server}/api/kernels", token, "POST", {"name": "python3"})
        place = server.replace("http", "ws", 1) + f"/api/kernels/{kernel['id']}/channels"
        self.socket = websocket.create_connection(place, header=[f"Authorization: token {token}"], timeout=300)

    def run(self, code):
        """What a cell prints, and the name of its error or ""."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "test", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.socket.send(json.dumps(message))
        printed, error = "", ""
        while True:
            frame = self.socket.recv()
            got = json.loads(frame) if isinstance(frame, str) else {"parent_header": {}}  # bytes: a widget's picture
            if got["parent_header"].get("msg_id") == header["msg_id"]:
                printed += got["content"].get("text", "") if got["msg_type"] == "stream" else ""
                error = got["content"]["ename"] if got["msg_type"] == "error" else error
                if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                    return printed, error


@pytest.mark.skipif(not can_be_a_class(), reason="needs root, npm and a Python that other users may run")
def test_two_students_run_lab_00_and_neither_reads_the_others_files(site, students):
    port, hub, proxy = free_ports(3)
    token, base = secrets.token_hex(16), f"http://127.0.0.1:{port}"
    (site / "run").mkdir(mode=0o700)
    settings = {"port": port, "hub": hub, "proxy": proxy, "token": token}
    command = str(site / "proxy" / "node_modules" / ".bin" / "configurable-http-proxy")
    config = str(ROOT / "ci" / "hub" / "jupyterhub_config.py")
    (site / "run" / "config.py").write_text(CONFIG.format(config=config, command=command, **settings))
    environment = {**os.environ, "SEQLAB_COURSE": str(site / "course"), "SEQLAB_MEMORY_GB": "3"}
    words = [site / "env" / "bin" / "python", "-m", "jupyterhub", "-f", "config.py"]
    with open(site / "run" / "log", "w") as log:
        server = subprocess.Popen(words, cwd=site / "run", env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        until(lambda: ask(f"{base}/hub/api/", token)[0] == 200)
        servers, tokens = {}, {}
        for name in students:
            assert ask(f"{base}/hub/api/users/{name}", token, "POST")[0] == 201
            assert ask(f"{base}/hub/api/users/{name}/server", token, "POST")[0] in (201, 202)
        for name in students:
            until(lambda: ask(f"{base}/hub/api/users/{name}", token)[1]["servers"].get("", {}).get("ready"))
            tokens[name] = ask(f"{base}/hub/api/users/{name}/tokens", token, "POST", {})[1]["token"]
            servers[name] = f"{base}/user/{name}"
        for name, other in (students, reversed(students)):
            status, lab = ask(f"{servers[name]}/api/contents/00_start_here.ipynb", tokens[name])
            assert status == 200
            kernel = Kernel(servers[name], tokens[name])
            cells = [cell["source"] for cell in lab["content"]["cells"] if cell["cell_type"] == "code"]
            assert len(cells) > 3
            for code in cells:
                assert kernel.run(code)[1] == "", code
            assert kernel.run("import getpass; print(getpass.getuser())")[0].strip() == name
            theirs = Path(pwd.getpwnam(other).pw_dir) / "labs"
            assert (theirs / "00_start_here.ipynb").exists()
            for code in (f"open({str(theirs / '00_start_here.ipynb')!r})", f"import os; os.listdir({str(theirs)!r})"):
                assert kernel.run(code)[1] == "PermissionError"
            assert kernel.run(f"open({str(site / 'course' / 'mine')!r}, 'w')")[1] == "PermissionError"
            assert kernel.run(f"open({str(site / 'run' / 'config.py')!r})")[1] == "PermissionError"
            assert kernel.run("bytearray(4 * 2**30)")[1] == "MemoryError"
            kernel.socket.close()
            assert ask(f"{servers[other]}/api/contents", tokens[name])[0] == 403
    except BaseException:
        print((site / "run" / "log").read_text()[-4000:])
        raise
    finally:
        server.terminate()
        server.wait(60)
