"""The report of the labs: claims.json, junit.xml, and one page that opens anywhere. `python -m ci.report [BUILD]`

Built from the results that the runner left on disk, so it can be made again at any time.
"""

import json
import re
import sys
import time
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from ci.pages import TEMPLATES, export
from ci.result import Result, claims_hash, write_text

_CONTROL = re.compile(r"[^\t\n\r\x20-\U0010ffff]")  # XML has no place for them
_templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def results(build: Path) -> list[Result]:
    """All stored results, in the order of labs and editions; unreadable ones are left out."""
    found = []
    for path in sorted((build / "labs").glob("*/*.result.json")):
        try:
            found.append(Result.read(path))
        except (OSError, ValueError, TypeError, KeyError):
            print(f"report: {path} cannot be read and is left out")
    return sorted(found, key=lambda r: (r.lab, r.edition, r.mode))


def build(folder: Path) -> Path:
    """Write everything below `folder`/report and return the page."""
    target, found = folder / "report", results(folder)
    entries = [claim for r in found for claim in r.claims]
    write_text(target / "claims.json", json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
    write_text(target / "junit.xml", junit(found))
    for r in found:
        notebook, page = folder / "labs" / f"{r.edition}-{r.mode}" / f"{r.lab}.ipynb", target / r.page
        if notebook.exists() and (not page.exists() or page.stat().st_mtime < notebook.stat().st_mtime):
            export(notebook, page, f"{r.lab} ({r.edition}, {r.mode})")
    write_text(target / "index.html", index(found, target))
    return target / "index.html"


def junit(found: list[Result]) -> str:
    """One test suite per lab and edition: the run itself, and each claim."""
    suites = []
    for r in found:
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


def index(found: list[Result], target: Path) -> str:
    """The page: the verdict, failures, labs with their times, claims, and what was measured in the browser."""
    good = bool(found) and all(r.ok for r in found)
    return _templates.get_template("report.html.j2").render(
        found=found,
        good=good,
        verdict="Everything holds" if good else "Something fails" if found else "Nothing has run yet",
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
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "build")))
