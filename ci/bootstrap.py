"""Create .venv from requirements.lock. Standard library only, and old syntax, so that an old Python can say so."""

import ast
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
PLACES = ("index-url", "extra-index-url", "find-links")
LOCK = os.path.join(ROOT, ".venv.lock")  # held by the one who sets up; others wait
INPUTS = ("requirements.lock", "pyproject.toml")
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
    """Of everything that decides what is installed."""
    digest = hashlib.sha256()
    for name in INPUTS:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def stamp():
    """Where the environment was made and from what, if that came to its end; an environment cannot be moved."""
    try:
        with open(STAMP) as file:
            place, made_from = file.read().split("\n")
        return (place, made_from) if os.access(PYTHON, os.X_OK) else (None, None)
    except (OSError, ValueError):
        return None, None


def is_ready():
    return stamp() == (VENV, fingerprint())


def lock():
    """Hold the lock until this process ends; wait for another that holds it."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return None
    file = open(LOCK, "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("Another make is setting up this environment; waiting for it.")
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def check_disk():
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB:
        stop(
            "The disk is too full: %.1f GB free in %s, and the environment needs about %.0f GB (twice that where pip "
            "brings torch with CUDA): free some space and run the command again." % (free, ROOT, NEEDED_GB)
        )


def installer():
    """The words that install: uv where it is on the PATH (it is faster), which is told what pip.conf says of places.

    pip.conf may also send packages elsewhere, which no option takes back: name the line.
    """
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, universal_newlines=True)
    lines = [line.partition("=")[::2] for line in listed.stdout.splitlines()]
    said = [(name.split(".")[-1], name, value) for name, value in lines]
    uv = shutil.which("uv")
    if uv:
        places = [("--" + key, ast.literal_eval(value).split()) for key, _, value in said if key in PLACES]
        words = [word for option, found in places for place in found for word in (option, place)]
        return [
            uv,
            "pip",
            "install",
            "--no-config",
            "--python",
            PYTHON,
            "--index-strategy",
            "unsafe-best-match",
        ] + words
    for key, name, value in said:
        if key in ("target", "prefix", "root"):
            stop(
                "Your pip.conf says %s=%s, so pip would install there and not into .venv: remove that line "
                "(pip config debug names the file), or run PIP_CONFIG_FILE=/dev/null make setup." % (name, value)
            )
    return [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]


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
    return "The installation stopped: %s (the whole log is in %s; the command can be run again)." % (
        " ".join(errors[-1:]) or "no output",
        os.path.relpath(log_path, ROOT),
    )


def install():
    """Bring .venv up to date; make it anew where the last set-up did not come to its end, or the checkout has moved."""
    keep = stamp()[0] == VENV and subprocess.call([PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    if os.path.exists(STAMP):
        os.remove(STAMP)  # from here to the end, whoever looks knows that this one is not finished
    check_disk()
    with open(os.path.join(ROOT, "requirements.lock")) as file:
        packages = sum(line[:1].isalnum() for line in file)
    log_path = os.path.join(ROOT, "build", "install.log")
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    with open(log_path, "w") as log:

        def do(step, command, expected=None):
            if run(step, command, log, expected) != 0:
                stop(explain(log_path))

        if not keep:
            step = "[1/4] Creating .venv with Python %d.%d" % sys.version_info[:2]
            do(step, [sys.executable, "-m", "venv", "--clear", VENV])
        words = installer()
        step = "[2/4] Installing requirements.lock (two to five minutes; one with uv)"
        do(step, words + ["-r", "requirements.lock"], packages if words[0] == PYTHON else None)
        more = ["--no-deps", "--no-build-isolation", "-e", "."]
        do("[3/4] Installing seqlab", words + more)
        do("[4/4] Registering the notebook kernel", [PYTHON, "-m", "ci.kernel"])
    with open(STAMP, "w") as file:
        file.write(VENV + "\n" + fingerprint())


def main():
    use_a_new_enough_python()
    try:
        if not is_ready():
            held = lock()
            if not is_ready():  # whoever held it may have done the work
                install()
            del held
    except KeyboardInterrupt:
        stop("\nInterrupted: nothing is broken, and make setup begins again (what was downloaded is kept).")
    except OSError as error:
        stop(
            "The set-up cannot write %s (%s): is the checkout read-only or the disk full? Copy it to a folder of yours "
            "and run make there." % (error.filename or ROOT, error.strerror)
        )


if __name__ == "__main__":
    main()
