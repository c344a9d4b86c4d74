"""The report of the labs: claims.json, junit.xml, and one page that opens anywhere. `python -m ci.report [BUILD]`

All of it says what became of one run, the one that `run.json` keeps, so it can be made again at any time.
"""

import json
import re
import sys
import time
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from ci.pages import TEMPLATES, export
from ci.result import Run, claims_hash, write_text

_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML has no place for them
_templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def build(folder: Path, run: Run) -> Path:
    """Write everything below `folder`/report and return the page. What cannot be written becomes a problem of `run`."""
    target = folder / "report"
    for r in run.results:
        notebook, page = folder / "labs" / f"{r.edition}-{r.mode}" / f"{r.lab}.ipynb", target / r.page
        try:
            if notebook.exists() and (not page.exists() or page.stat().st_mtime < notebook.stat().st_mtime):
                export(notebook, page, f"{r.lab} ({r.edition}, {r.mode})")
        except Exception as error:  # of one page; the others and the verdict are still to come
            run.problems.append(f"the page of {r.name} cannot be made: {type(error).__name__}: {error}")
    entries = [claim for r in run.results for claim in r.claims]
    run.write(target / "run.json")
    write_text(target / "claims.json", json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
    write_text(target / "junit.xml", junit(run))
    write_text(target / "index.html", index(run, target))
    return target / "index.html"


def junit(run: Run) -> str:
    """One test suite per lab and edition: the run itself, and each claim. Problems have a suite of their own."""
    whole = {"name": "run", "classname": "run", "seconds": 0.0, "failures": len(run.problems)}
    told = {"name": "problems", "seconds": 0.0, "wrong": [_CONTROL.sub("", text) for text in run.problems]}
    suites = [{**whole, "cases": [told]}] if run.problems else []
    for r in run.results:
        runs = {"name": "runs", "seconds": r.seconds, "wrong": [str(f) for f in r.failures if f.kind != "claim"]}
        claims = [
            {"name": c["id"], "wrong": [] if c["ok"] is not False else [f"got {c['value']}, expected {c['expected']}"]}
            for c in r.claims
        ]
        cases = [{"seconds": 0.0, **case} for case in (runs, *claims)]
        for case in cases:
            case["wrong"] = [_CONTROL.sub("", text) for text in case["wrong"]]
        suite = {"name": f"{r.lab}.{r.edition}.{r.mode}", "classname": f"{r.lab}.{r.edition}", "seconds": r.seconds}
        suites.append({**suite, "cases": cases, "failures": sum(bool(case["wrong"]) for case in cases)})
    return _templates.get_template("junit.xml.j2").render(suites=suites)


def index(run: Run, target: Path) -> str:
    """The page: the verdict, failures, labs with their times, claims, and what was measured in the browser."""
    found, good = run.results, run.ok and bool(run.results)
    return _templates.get_template("report.html.j2").render(
        found=found,
        problems=run.problems,
        good=good,
        verdict="Everything holds" if good else "Nothing has run yet" if run == Run() else "Something fails",
        when=time.strftime("%Y-%m-%d %H:%M"),
        hashes={f"{r.edition}, {r.mode}": claims_hash(found, r.edition, r.mode) for r in found},
        pages=[r.page if (target / r.page).exists() else None for r in found],
        browser=_measured(target / "browser.json"),
        latency=_measured(target / "latency.json"),
    )


def _measured(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    kept = Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    print(build(kept, Run.read(kept / "report" / "run.json")))
