"""A class's gradebook: `python -m seqlab grade SUBMISSIONS --out DIR`

Each result is kept as soon as it is there (DIR/results), so that a grader that was stopped goes on with --resume, and
everything else is made from them: gradebook.csv and exercises.csv, gradebook.json, junit.xml, a page a student, and one
of the class. Nothing in them depends on when they were made.
"""

import csv
import hashlib
import io
import json
import os
import re
import resource
import secrets
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import forkserver, get_context
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from jinja2 import Environment, PackageLoader
from tqdm.auto import tqdm

from seqlab.course.rooms import LABS, PACKAGE, Lab, labs
from seqlab.course.submission import Submission, read
from seqlab.grading import sandbox
from seqlab.grading.grade import grade

FIELDS = ["student", "lab", "exercise", "state", "points", "of", "violated", "message", "known"]
STATES = ["right", "wrong", "open", "missing"]
ILLEGAL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML, as students may write it
ROOM = 12_000_000_000  # bytes that the judge of one submission may ask for


def grade_all(
    submissions: Path,
    *,
    out: Path,
    jobs: int = 1,
    seed_file: Path | None = None,
    partial: bool = False,
    resume: bool = False,
    trust: bool = False,
) -> int:
    """Judge what a class handed in. Returns 0, or 1 where a file could not be graded.

    submissions: a folder: STUDENT/NOTEBOOK.ipynb, or STUDENT_LAB.ipynb
    out: the folder of the gradebook
    jobs: how many submissions at a time
    seed_file: a secret that hidden cases come from; else one is made in --out
    partial: points for the share of cases that are right
    resume: keep results whose submission has not changed
    trust: grade without isolation where bubblewrap is missing
    """
    if not submissions.is_dir():
        raise SystemExit(f"{submissions} is no folder: name the one that holds the submissions.")
    if not sandbox.isolated():
        if not trust:
            raise SystemExit(sandbox.MISSING)
        print("No isolation: a student's code can read your files and use the network (--trust).")
    (out / "results").mkdir(parents=True, exist_ok=True)
    forkserver.set_forkserver_preload(["seqlab.grading.grade"])
    forkserver.ensure_running()  # what workers begin as is loaded while the submissions are read
    secret, asked = _secret(seed_file or out / "seed", make=not seed_file), labs(LABS)
    found, exercises = _recognized(submissions, asked), {lab.slug: lab.exercises for lab in asked}
    keys = {name: _key(found[name], secret, partial) for name in found}
    how = {"trust": trust, "partial": partial, "house": sandbox.house()}
    todo = {
        name: (_place(out, name), keys[name], found[name], exercises.get(found[name].lab, ()), secret, how)
        for name in found
        if not (resume and _kept(_place(out, name)).get("key") == keys[name])
    }
    _work(todo, jobs)
    results = {name: _kept(_place(out, name)) | {"file": name} for name in sorted(found)}
    write(out, results)
    troubled = [f"not graded: {name}: {result['trouble']}" for name, result in results.items() if result["trouble"]]
    done = f"{len(results) - len(troubled)} of {len(results)} files graded; {out / 'class.html'}"
    print(ILLEGAL.sub("�", "\n".join([done, *troubled])))
    return 1 if troubled else 0


def _work(todo: dict[str, tuple], jobs: int) -> None:
    """Grade in processes of their own; of one that is ended from outside, the submission is told, and the rest done."""
    try:
        with ProcessPoolExecutor(jobs, get_context("forkserver"), _bounded) as pool:
            list(tqdm(pool.map(_one, todo.values()), total=len(todo), desc="grading", disable=not todo))
    except BrokenProcessPool:
        left = {name: job for name, job in todo.items() if _kept(job[0]).get("key") != job[1]}
        for name, job in left.items():
            if len(todo) > 1:
                _work({name: job}, 1)
            else:
                trouble = "the process that judged it was ended: does it need too much memory?"
                _write(job[0], json.dumps({"key": job[1], "lab": job[2].lab, "trouble": trouble}))


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))


def _one(job: tuple) -> None:
    """Grade one submission and keep its result."""
    place, key, submission, exercises, secret, how = job
    result = {"key": key, "lab": submission.lab, "trouble": submission.trouble}
    if not submission.trouble:
        try:
            result |= grade(submission, exercises, secret, **how)
        except Exception as error:  # of the grader: told, and the others are graded
            result["trouble"] = f"the grader failed: {type(error).__name__}: {error}"
    _write(place, json.dumps(result, indent=1))


def _recognized(folder: Path, asked: list[Lab]) -> dict[str, Submission]:
    """All notebooks by their path; a lab that one student has handed in twice is trouble, unless the answers agree."""
    files = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    found = {str(path.relative_to(folder)): read(path, asked) for path in files}
    same: dict[tuple, list[str]] = defaultdict(list)
    for name, submission in found.items():
        if submission.lab:
            same[student(name, submission.lab), submission.lab].append(name)
    for names in same.values():
        agree = len({found[name].receipt for name in names}) == 1
        how = "with the same answers: the first counts" if agree else "and the answers differ: keep one"
        for name in names[agree:] if len(names) > 1 else []:
            found[name].trouble = f"handed in {len(names)} times ({', '.join(names)}), {how}"
    return found


def student(name: str, lab: str) -> str:
    """Who has handed a file in: the folder it lies in, or what its name has beside the lab's."""
    path = Path(name)
    return path.parts[0] if len(path.parts) > 1 else path.stem.replace(lab, "").strip("_- ") or path.stem


def _secret(place: Path, make: bool) -> str:
    if make and not place.exists():
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_hex(16))
    return place.read_text().strip()


@cache
def _version() -> str:
    """Of all code that decides a result."""
    files = [file for place in ("*/exercises*/**", "course", "grading") for file in PACKAGE.glob(f"{place}/*.py")]
    files += PACKAGE.glob("*/exercises.py")
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted({*files}))).hexdigest()


def _key(submission: Submission, secret: str, partial: bool) -> str:
    parts = (submission.digest, submission.trouble, secret, partial, _version())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _place(out: Path, name: str) -> Path:
    return out / "results" / f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}.json"


def _kept(place: Path) -> dict:
    """A result as it was kept, {} where it was not, or not wholly."""
    try:
        return dict(json.loads(place.read_text()))
    except (OSError, ValueError):
        return {}


def write(out: Path, results: dict[str, dict]) -> None:
    """Gradebook and feedback, from all results."""
    graded = {name: (student(name, result["lab"]), result) for name, result in results.items() if not result["trouble"]}
    marks = [{"student": who, "lab": r["lab"], **mark} for who, r in graded.values() for mark in r["marks"]]
    points: Counter = Counter()
    for mark in marks:
        points[mark["student"], mark["lab"]] += mark["points"]
    people, slugs = (sorted({mark[field] for mark in marks}) for field in ("student", "lab"))
    total = {who: round(sum(points[who, lab] for lab in slugs if (who, lab) in points), 2) for who in people}
    book = [["student", *slugs, "total"]]
    book += [[who, *(points.get((who, lab), "") for lab in slugs), total[who]] for who in people]
    files = {
        "gradebook.csv": _csv(book),
        "exercises.csv": _csv([FIELDS, *([mark[field] for field in FIELDS] for mark in marks)]),
        "gradebook.json": json.dumps(list(results.values()), indent=1),
        "junit.xml": _junit(marks, results),
        "class.html": _page("The class", _overview(marks, results, book)),
    }
    for who in people:
        parts = [_feedback(name, result) for name, (whose, result) in graded.items() if whose == who]
        files[f"students/{who}.html"] = _page(f"Feedback for {who}", parts)
    for name, text in files.items():
        _write(out / name, text)


def _part(title: str, head: list[str], rows: list, told: tuple = ()) -> dict:
    return {"title": title, "head": head, "rows": rows, "told": told}


def _feedback(name: str, result: dict) -> dict:
    why = lambda m: " ".join(filter(None, [m["violated"] and f"It {m['violated']}: {m['message']}", m["known"]]))
    rows = [[m["exercise"], m["state"], f"{m['points']:g} of {m['of']}", why(m)] for m in result["marks"]]
    told = (f"{name}, receipt {result['receipt']}", *result["told"])
    return _part(result["lab"], ["exercise", "state", "points", "why"], rows, told)


def _overview(marks: list[dict], results: dict[str, dict], book: list[list]) -> list[dict]:
    """For the teacher: the gradebook, which exercise stops whom, which mistake is made most often, what is odd."""
    states, mistakes, twins = defaultdict(Counter), Counter(), defaultdict(list)
    for mark in marks:
        states[mark["exercise"]][mark["state"]] += 1
        mistakes[mark["exercise"], mark["known"] or mark["violated"]] += mark["state"] == "wrong"
    for name, result in results.items():
        if any(mark["state"] == "right" for mark in result.get("marks", ())):
            twins[result["receipt"]].append(name)
    odd = [[name, result["trouble"]] for name, result in results.items() if result["trouble"]]
    odd += [[", ".join(names), "the same answers, to the letter"] for names in twins.values() if len(names) > 1]
    stops = [[id, *(counts[state] for state in STATES)] for id, counts in states.items()]
    often = [[*which, n] for which, n in mistakes.most_common() if n]
    return [
        _part("Points", book[0], book[1:]),
        _part("Which exercise stops whom", ["exercise", *STATES], stops),
        _part("Mistakes", ["exercise", "mistake", "how often"], often),
        _part("Not graded, or odd", ["file", "why"], odd),
    ]


def _page(title: str, parts: list[dict]) -> str:
    templates = Environment(loader=PackageLoader("seqlab.grading", "."), autoescape=True)
    return templates.get_template("page.html.j2").render(title=title, parts=parts)


def _junit(marks: list[dict], results: dict[str, dict]) -> str:
    """A test case an exercise and student, and one for each file that could not be graded."""
    right = lambda mark: mark["state"] == "right"
    cases = [(m["student"], m["exercise"], "" if right(m) else f"{m['state']} {m['violated']}") for m in marks]
    cases += [("not graded", name, result["trouble"]) for name, result in results.items() if result["trouble"]]
    lines = [
        f"<testcase classname={quoteattr(who)} name={quoteattr(what)}>"
        + (f"<failure message={quoteattr(why)}>{escape(why)}</failure>" if why else "")
        + "</testcase>"
        for who, what, why in cases
    ]
    head = f'<testsuite name="grade" tests="{len(cases)}" failures="{sum(bool(why) for *_, why in cases)}">'
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', head, *lines, "</testsuite>", ""])


def _csv(rows: list[list]) -> str:
    """As plain CSV; a text that a spreadsheet would take for a formula is quoted."""
    harmless = lambda cell: f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(ILLEGAL.sub("�", text), encoding="utf-8")
    fresh.replace(path)
