"""The promises of the set-up: pins agree everywhere, the package stays light, missing things get one clear sentence."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, metadata
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from ci import lock
from seqlab.course import doctor, serve
from seqlab.course.claims import load_expectations
from seqlab.course.gate import exercises
from seqlab.course.rooms import lab_files
from seqlab.train import characters
from tests.places import ROOT


def pins(name="requirements.lock"):
    lines = (ROOT / name).read_text().splitlines()
    return {
        r.name.lower().replace("_", "-"): r
        for r in (Requirement(line) for line in lines if line and not line.startswith("#"))
    }


def test_every_line_of_the_lock_is_one_exact_pin():
    for requirement in pins().values():
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
    assert str(pins()["torch"].specifier) == "==2.13.0"
    assert str(pins()["triton"].specifier) == "==3.7.1" and "linux" in str(pins()["triton"].marker)


def test_pyproject_asks_for_what_the_lock_pins():
    locked = pins()
    for line in lock.requirements():
        wanted = Requirement(line)
        name = wanted.name.lower().replace("_", "-")
        assert name in locked, f"{name} is not in requirements.lock: python -m ci.lock"
        [pin] = locked[name].specifier
        assert wanted.specifier.contains(pin.version), f"{line}: the lock has {pin}"
        assert (wanted.marker and wanted.marker.evaluate({"sys_platform": "darwin"})) == (
            locked[name].marker and locked[name].marker.evaluate({"sys_platform": "darwin"})
        )


def test_environment_yml_installs_the_lock_and_nothing_else():
    table = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, through_pip = table["dependencies"]
    assert through_pip == {"pip": ["-r requirements.lock", "-e ."]} and pip == "pip"
    with open(ROOT / "pyproject.toml", "rb") as file:
        oldest = tomllib.load(file)["project"]["requires-python"].removeprefix(">=")
    assert python == f"python={oldest}"


def test_the_lock_is_complete_for_this_environment():
    """Whatever is installed here comes from the lock, in the locked version."""
    frozen = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    ).stdout
    locked = pins()
    for line in frozen.split():
        name, version = line.split("==")
        if name in ("pip", "seqlab"):
            continue
        assert name.lower().replace("_", "-") in locked, f"{name} is installed but not locked"
        assert locked[name.lower().replace("_", "-")].specifier.contains(version, prereleases=True), line


def test_every_pin_takes_the_oldest_python_that_is_promised():
    """Debian 12 has 3.11.2."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        promised = tomllib.load(file)["project"]["requires-python"].removeprefix(">=")
    assert lock.OLDEST == f"{promised}.0"
    for name in pins():
        with contextlib.suppress(PackageNotFoundError):  # a pin for another system
            wanted = metadata(name).get("Requires-Python", "")
            assert SpecifierSet(wanted).contains(lock.OLDEST), f"{name} wants Python {wanted}"


def test_import_seqlab_is_light():
    code = (
        "import seqlab, seqlab.attention, seqlab.course, seqlab.train.characters, sys; print(*(m for m in ('plotly',"
        " 'ipywidgets', 'anywidget', 'triton', 'IPython') if m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_training_loads_no_compiler():
    code = (
        "import seqlab.big_bird, sys, torch; from seqlab.train.fit import uncompiled\n"
        "x = torch.ones(1, requires_grad=True); x.sum().backward(); uncompiled(torch.optim.AdamW)([x]).step()\n"
        "print(x.item() != 1, 'torch._dynamo' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False"]


def test_kernels_knows_nothing_of_seqlab():
    code = "import kernels, sys; assert 'seqlab' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_doctor_reports_every_lab():
    text = repr(doctor.report())
    assert "torch 2.13.0" in text and "bf16" in text and "01 Attention names things" in text


@pytest.mark.parametrize(
    "version, bad",
    [((3, 4, 0), True), ((3, 6, 0), True), ((3, 7, 0), True), ((3, 7, 1), False), ((3, 3, 1), False), (None, False)],
)
def test_the_doctor_names_bad_tritons(monkeypatch, version, bad):
    monkeypatch.setattr(doctor.versions, "installed", lambda: version)
    assert ("Hopper" in repr(doctor.report())) == bad


def test_a_taken_port_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"Port {port} is taken.*make lab PORT={port + 1}"):
            serve.check_port(str(port))
    with pytest.raises(SystemExit, match="'abc'"):
        serve.check_port("abc")


def test_the_last_port_is_followed_by_none(monkeypatch):
    monkeypatch.setattr(serve.socket.socket, "bind", lambda self, place: (_ for _ in ()).throw(OSError()))
    with pytest.raises(SystemExit, match="Port 65535 is taken.*PORT=65534"):
        serve.check_port("65535")


def test_jupyter_keeps_its_token_and_stays_local():
    line = serve.command(8899, ROOT, ["--no-browser"])
    assert "--ServerApp.ip=127.0.0.1" in line and "--ServerApp.port=8899" in line and line[-1] == "--no-browser"
    assert not any("token" in word or "password" in word for word in line)
    assert f"--LabServerApp.app_settings_dir={ROOT / 'seqlab' / 'course' / 'settings'}" in line


@pytest.mark.parametrize("name", ["jupyter_config", "jupyter_server_config", "jupyter_lab_config"])
@pytest.mark.parametrize("text", ['c.IdentityProvider.token = ""', 'c.ServerApp.token = ""'])
def test_an_open_door_in_somebodys_own_configuration_is_refused(tmp_path, monkeypatch, name, text):
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match=f"{name}.py.*without a token"):
        serve.check_configuration()
    (tmp_path / f"{name}.py").write_text(text.replace('""', '"mine"'))
    serve.check_configuration()


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(SystemExit, match="cannot be written.*JUPYTER_RUNTIME_DIR"):
        serve.check_home()


def test_make_lab_serves_behind_its_token():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "seqlab", "lab", "labs", "--port", str(port), "--jupyter=--no-browser"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = iter(server.stdout.readline, "")
        url = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1\S+token=\w+", line)))
        assert f":{port}/lab/tree/labs/00_start_here.ipynb?token=" in url
        for _ in range(100):  # the address is told a moment before it answers
            with contextlib.suppress(URLError):
                urlopen(f"http://127.0.0.1:{port}/api", timeout=20).close()
                break
            time.sleep(0.1)
        with urlopen(url, timeout=20) as page:
            assert page.status == 200 and "JupyterLab" in page.read().decode()
        with pytest.raises(HTTPError) as refused:
            urlopen(f"http://127.0.0.1:{port}/api/contents", timeout=20)
        assert refused.value.code == 403
        refused.value.close()
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()


def bootstrap(code):
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, 'ci'); import bootstrap\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_an_old_python_is_one_sentence():
    done = bootstrap(
        "bootstrap.OLDEST = (9, 9); bootstrap.shutil.which = lambda name: None; bootstrap.use_a_new_enough_python()"
    )
    assert (
        done.returncode == 1
        and done.stderr.startswith("seqlab needs Python 9.9 or newer")
        and done.stderr.count("\n") == 1
    )


def test_a_full_disk_is_one_sentence():
    done = bootstrap("bootstrap.NEEDED_GB = 1e9; bootstrap.check_disk()")
    assert done.returncode == 1 and "The disk is too full" in done.stderr and done.stderr.count("\n") == 1


def test_what_was_not_finished_is_made_anew_and_what_moved_too(tmp_path):
    code = f"""
bootstrap.VENV, bootstrap.STAMP, bootstrap.PYTHON = "here", {str(tmp_path / "stamp")!r}, sys.executable
made_from = "\\n" + bootstrap.fingerprint()
for text in ("", "old stamp of one line", "elsewhere" + made_from, "here" + made_from):
    open(bootstrap.STAMP, "w").write(text)
    print(bootstrap.stamp()[0], bootstrap.is_ready())
"""
    done = bootstrap(code)
    assert done.stdout.splitlines() == ["None False", "None False", "elsewhere False", "here True"], done.stderr


def test_two_set_ups_at_once_take_turns(tmp_path):
    code = f"""
import time
bootstrap.LOCK = {str(tmp_path / "lock")!r}
bootstrap.is_ready = lambda: bootstrap.os.path.exists({str(tmp_path / "done")!r})
bootstrap.install = lambda: (print("installs", flush=True), time.sleep(1), open({str(tmp_path / "done")!r}, "w"))
bootstrap.main()
"""
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, 'ci'); import bootstrap\n{code}"]
    both = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert said in (
        ["Another make is setting up this environment; waiting for it.\n", "installs\n"],
        ["", "installs\n"],
    )


UV = """#!{python}
import fcntl, pathlib, sys, time
root = pathlib.Path({root!r})
alone = open(root / "busy", "w")
fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where another installer is at work
time.sleep(0.3)
packages = next(root.glob(".venv/lib/python*/site-packages"))
ours = "-e" in sys.argv
(packages / ("ours.pth" if ours else "theirs.pth")).write_text(str(root) if ours else {theirs!r})
"""


def start(root, tools):
    """A `make setup` in a process group of its own, with the stand-in for uv first on the PATH."""
    words = ["make", "setup", f"PYTHON={sys.executable}"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "MFLAGS"}
    environment["PATH"] = f"{tools}:{environment['PATH']}"
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return subprocess.Popen(words, cwd=root, env=environment, start_new_session=True, **pipes)


@pytest.mark.slow
def test_ten_double_starts_end_in_an_environment_that_works(tmp_path):
    """Lock, mark and `python -m venv` are the real ones; what installs writes down where packages lie already.

    Every third time the first one is killed on its way: the second heals what it left, or begins anew.
    """
    root, tools = tmp_path / "clone", tmp_path / "tools"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info"))
    tools.mkdir()
    theirs = next(path for path in sys.path if path.endswith("site-packages"))
    (tools / "uv").write_text(UV.format(python=sys.executable, root=str(root), theirs=theirs))
    (tools / "uv").chmod(0o755)
    draw, works = (
        random.Random(time.time_ns()),
        [root / ".venv/bin/python", "-c", "import torch, seqlab as s; print(s.__file__)"],
    )
    for attempt in range(10):
        shutil.rmtree(root / ".venv", ignore_errors=True)
        first = start(root, tools)
        time.sleep(draw.uniform(0, 4))
        second = start(root, tools)
        if attempt % 3 == 2:
            time.sleep(draw.uniform(0, 2))
            os.killpg(first.pid, signal.SIGKILL)
        for process in (first, second):
            said, _ = process.communicate(timeout=120)
            assert process.returncode in (0, -signal.SIGKILL) and "Traceback" not in said, said
        done = subprocess.run(works, cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.startswith(str(root)), (attempt, done.stderr)
        assert start(root, tools).communicate(timeout=60)[0] == ""  # ready: nothing is left to do


@pytest.mark.parametrize(
    "fault, words",
    [
        ("KeyboardInterrupt()", "Interrupted: nothing is broken"),
        ("PermissionError(13, 'Permission denied', '.venv')", "The set-up cannot write .venv (Permission denied)"),
    ],
)
def test_what_stops_a_set_up_is_one_sentence(tmp_path, fault, words):
    done = bootstrap(
        f"def fail(): raise {fault}\nbootstrap.LOCK = {str(tmp_path / 'lock')!r}\n"
        "bootstrap.is_ready, bootstrap.install = lambda: False, fail; bootstrap.main()"
    )
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr


def test_uv_is_told_where_pip_finds_packages(tmp_path):
    (tmp_path / "pip.conf").write_text("[global]\nfind-links = /a /b\nindex-url = https://mirror/simple\n")
    code = "bootstrap.PYTHON = sys.executable; bootstrap.shutil.which = lambda name: 'uv'; print(bootstrap.installer())"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        said = bootstrap(code).stdout
    assert "'--find-links', '/a', '--find-links', '/b'" in said and "'--index-url', 'https://mirror/simple'" in said


def test_a_missing_python_is_one_sentence():
    done = subprocess.run(["make", "setup", "PYTHON=no-such-python"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0 and "seqlab needs Python 3.11" in done.stdout


def test_the_bootstrap_still_parses_under_an_old_python():
    source = (ROOT / "ci" / "bootstrap.py").read_text()
    compile(source, "bootstrap.py", "exec")
    assert not re.search(r"\bf[\"']|:=|match ", source)


def test_no_distribution_called_kernels_is_pretended():
    """Hugging Face's `kernels` is found by its distribution; ours is only a package of that name inside seqlab."""
    from importlib import metadata

    import kernels

    assert kernels.__file__.startswith(str(ROOT))
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("kernels")


INSTALLED = """
import seqlab
from seqlab import course, data
from seqlab.course.claims import load_expectations
from seqlab.course.gate import exercises
from seqlab.course.rooms import LABS, PACKAGE, lab_files
from seqlab.train import characters
from seqlab.tiles.kernel_view import HERE
print(seqlab.__file__)
print(*(path.name for path in lab_files(LABS)))
print(len(exercises()), len(load_expectations()), len(data.austen()) > 600_000, characters.load().config.layers)
kinds = (".json", ".js", ".css")
print(sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.suffix in kinds))
"""


def test_an_installed_wheel_finds_its_claims_data_and_exercises(tmp_path):
    """The wheel is unpacked into an empty folder, far from the repository."""
    source = tmp_path / "source"
    for part in ("seqlab", "kernels", "labs", "ci"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True)
    wheel, site = next(tmp_path.glob("*.whl")), tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    words, environment = [sys.executable, "-c", INSTALLED], {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    place, names, numbers, files = done.stdout.splitlines()
    assert place.startswith(str(site))
    assert names.split() == [path.name for path in lab_files(ROOT / "labs")]
    assert numbers == f"{len(exercises())} {len(load_expectations())} True {characters.load().config.layers}"
    here = [p.relative_to(ROOT / "seqlab").as_posix() for p in (ROOT / "seqlab").rglob("*")]
    assert files == repr(sorted(p for p in here if p.endswith((".json", ".js", ".css"))))


@pytest.mark.parametrize("name", ["torch.py", "einops.py", "kernels.py", "kernels/__init__.py"])
def test_a_file_that_hides_a_module_is_named(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", "import seqlab"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    sentence = done.stderr.splitlines()[-1]
    assert done.returncode and sentence.startswith("ImportError: seqlab needs") and str(tmp_path / name) in sentence
    assert "rename it" in sentence


def test_another_kernels_package_is_named(tmp_path):
    """As after pip install kernels: it stands in the environment, before our own."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import seqlab"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: seqlab needs the one in" in done.stderr and "pip uninstall it" in done.stderr


def test_the_kernel_is_isolated(tmp_path):
    """No PYTHONPATH, no start-up files, and a learner's torch.py does not hide torch."""
    for _ in range(2):  # a second time, and over the one that ipykernel brings
        environment = {**os.environ, "SEQLAB_SHARE": str(tmp_path)}
        subprocess.run([sys.executable, "-m", "ci.kernel"], cwd=ROOT, env=environment, check=True)
    spec = json.loads((tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json").read_text())
    assert "-I" in spec["argv"] and "--InteractiveShellApp.ignore_cwd=True" in spec["argv"]
    assert spec["env"]["IPYTHONDIR"].startswith(str(tmp_path))


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONSAFEPATH", "PYTHONSTARTUP", "PIP_USER", "PIP_TARGET"])
def test_make_leaves_out_what_a_user_has_set(name):
    """Seen by a command that make runs."""
    words = ["make", "--no-print-directory", "-f", "-", "show"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "MFLAGS"}
    makefile = (ROOT / "Makefile").read_text() + f"\nshow:\n\t@echo [$${name}]\n"
    done = subprocess.run(
        words, cwd=ROOT, env={**environment, name: "1"}, input=makefile, capture_output=True, text=True
    )
    assert done.stdout.strip() == ("[0]" if name == "PIP_USER" else "[]"), done.stderr


def test_a_pip_setting_that_sends_packages_elsewhere_is_named(tmp_path):
    (tmp_path / "pip.conf").write_text("[global]\ntarget = /nowhere\n")
    code = "from ci import bootstrap; import sys; bootstrap.PYTHON = sys.executable\n"
    code += "bootstrap.shutil.which = lambda name: None; bootstrap.installer()"
    environment = {**os.environ, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "target='/nowhere'" in done.stderr and "pip config debug" in done.stderr
