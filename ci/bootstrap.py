"""Create .venv from requirements.lock. Standard library only, and old syntax, so that an old Python can say so."""

import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "seqlab-ready")
INPUTS = ("requirements.lock", "requirements-models.lock", "pyproject.toml")
OLDEST = (3, 11)
NEEDED_GB = 4.0


def stop(sentence):
    sys.stdout.flush()
    sys.stderr.write(sentence + "\n")
    sys.exit(1)


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def use_a_new_enough_python():
    """Continue in a newer interpreter where this one is too old and another is on the PATH."""
    if sys.version_info >= OLDEST:
        return
    for name in ("python3.13", "python3.12", "python3.11"):
        found = shutil.which(name) if hasattr(shutil, "which") else None
        if found:
            os.execv(found, [found] + sys.argv)
    stop(
        "seqlab needs Python %d.%d or newer, and this is Python %d.%d (%s): install a newer one, or name it with "
        "make PYTHON=/path/to/python3.11" % (OLDEST + tuple(sys.version_info[:2]) + (sys.executable,))
    )


def fingerprint():
    """Of everything that decides what is installed, the place included (an environment cannot be moved)."""
    digest = hashlib.sha256((VENV + "\n").encode())
    for name in INPUTS:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def is_ready():
    try:
        with open(STAMP) as file:
            return file.read() == fingerprint() and os.access(PYTHON, os.X_OK)
    except OSError:
        return False


def check_disk():
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB:
        stop(
            "The disk is too full: %.1f GB free in %s, and the environment needs about %.0f GB (twice that where pip "
            "brings torch with CUDA): free some space and run the command again." % (free, ROOT, NEEDED_GB)
        )


def check_pip():
    """pip.conf may send packages elsewhere, which no option takes back: name the line."""
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, universal_newlines=True)
    for line in listed.stdout.splitlines():
        if line.split("=")[0].split(".")[-1] in ("target", "prefix", "root"):
            stop(
                "Your pip.conf says %s, so pip would install there and not into .venv: remove that line "
                "(pip config debug names the file), or run PIP_CONFIG_FILE=/dev/null make setup." % line
            )


def run(step, command, log, expected=None):
    """Run `command` with its output in `log`; show the step, its progress and its seconds."""
    started, seen, shown = time.time(), 0, 0.0
    tty = sys.stdout.isatty()
    if not tty:
        say(step)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    for raw in process.stdout:
        line = raw.decode("utf-8", "replace")
        log.write(line)
        log.flush()
        seen += line.startswith(("Collecting ", "Requirement already satisfied"))
        now = time.time()
        if expected and now - shown > (0.2 if tty else 20):
            shown = now
            note = "installing files" if seen >= expected else "%d of about %d packages" % (seen, expected)
            sys.stdout.write(("\r\033[K%s: %s, %.0f s" if tty else "%s: %s, %.0f s\n") % (step, note, now - started))
            sys.stdout.flush()
    code = process.wait()
    say(
        ("\r\033[K" if tty else "")
        + "%s: %s after %.0f s" % (step, "done" if code == 0 else "failed", time.time() - started)
    )
    return code


def explain(log_path):
    with open(log_path) as file:
        lines = file.read().splitlines()
    text = "\n".join(lines)
    if "No space left on device" in text:
        return "The disk filled up during the installation: free some space and run the command again."
    if "ensurepip is not available" in text:
        return (
            "This Python cannot create environments (ensurepip is missing): "
            "on Debian or Ubuntu, apt-get install python3-venv."
        )
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    return "The installation stopped: %s (the whole log is in %s; running the command again continues)." % (
        " ".join(errors[-1:]) or "no output",
        os.path.relpath(log_path, ROOT),
    )


def install():
    check_disk()
    with open(os.path.join(ROOT, "requirements.lock")) as file:
        packages = sum(line[:1].isalnum() for line in file)
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    steps = [
        (
            "[1/4] Creating .venv with Python %d.%d" % sys.version_info[:2],
            [sys.executable, "-m", "venv", "--clear", VENV],
            None,
        ),
        ("[2/4] Installing requirements.lock (two to five minutes)", pip + ["-r", "requirements.lock"], packages),
        (
            "[3/4] Installing a small chemistry model and seqlab",
            pip + ["--no-deps", "--no-build-isolation", "-r", "requirements-models.lock", "-e", "."],
            None,
        ),
        (
            "[4/4] Registering the notebook kernel",
            [PYTHON, "-m", "ci.kernel"],
            None,
        ),
    ]
    if os.path.exists(PYTHON):
        fresh = subprocess.call([PYTHON, "-c", "import pip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        steps = steps[1:] if fresh == 0 else steps
    log_path = os.path.join(ROOT, "build", "install.log")
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    with open(log_path, "w") as log:
        for step, command, expected in steps:
            if "pip" in command:
                check_pip()
            if run(step, command, log, expected) != 0:
                stop(explain(log_path))
    with open(STAMP, "w") as file:
        file.write(fingerprint())


if __name__ == "__main__":
    use_a_new_enough_python()
    if not is_ready():
        install()
