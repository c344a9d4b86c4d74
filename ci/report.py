"""The report of the labs: claims.json, junit.xml, and one page that opens anywhere. `python -m ci.report [BUILD]`

Built from the results that the runner left on disk, so it can be made again at any time.
"""

from __future__ import annotations

import html
import json
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

from ci.pages import export
from ci.result import Result, write_text
from seqlab.course.claims import fingerprint

STYLE = """
:root{color-scheme:light dark;--good:#0072b2;--bad:#d55e00;--line:#8884}
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:auto;padding:1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
.good{color:var(--good)}.bad{color:var(--bad);font-weight:bold}.wide{overflow-x:auto}pre{white-space:pre-wrap;overflow-wrap:anywhere}
.bar{display:flex;height:1.1rem;min-width:12rem}.bar i{background:var(--good);border-right:1px solid Canvas;min-width:1px}.bar i:nth-child(even){opacity:.6}
small{opacity:.75}code{overflow-wrap:anywhere}
"""


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
    write_text(
        target / "claims.json",
        json.dumps([claim for r in found for claim in r.claims], indent=1, ensure_ascii=False) + "\n",
    )
    junit(found, target / "junit.xml")
    for r in found:
        notebook = folder / "labs" / f"{r.edition}-{r.mode}" / f"{r.lab}.ipynb"
        page = target / f"{r.edition}-{r.mode}" / f"{r.lab}.html"
        if notebook.exists() and (not page.exists() or page.stat().st_mtime < notebook.stat().st_mtime):
            export(notebook, page, f"{r.lab} ({r.edition}, {r.mode})")
    write_text(target / "index.html", index(found, target))
    return target / "index.html"


def junit(found: list[Result], path: Path) -> None:
    """One test suite per lab and edition: the run itself, and each claim."""
    root = ElementTree.Element("testsuites")
    for r in found:
        suite = ElementTree.SubElement(root, "testsuite", name=f"{r.lab}.{r.edition}.{r.mode}", time=f"{r.seconds:.3f}")
        cases = [("runs", r.seconds, [str(f) for f in r.failures if f.kind != "claim"])]
        cases += [(c["id"], 0.0, [] if c["ok"] else [f"got {c['value']}, expected {c['expected']}"]) for c in r.claims]
        for name, seconds, wrong in cases:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"{r.lab}.{r.edition}", name=name, time=f"{seconds:.3f}"
            )
            for text in wrong:
                clean = "".join(ch for ch in text if ch in "\t\n\r" or ord(ch) >= 32)
                ElementTree.SubElement(case, "failure", message=clean.split("\n")[0][:200]).text = clean
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(sum(bool(wrong) for _, _, wrong in cases)))
    write_text(path, ElementTree.tostring(root, encoding="unicode", xml_declaration=True))


def index(found: list[Result], target: Path) -> str:
    good = bool(found) and all(r.ok for r in found)
    verdict = "Everything holds" if good else "Nothing has run yet" if not found else "Something fails"
    parts = [
        f"<h1 class='{'good' if good else 'bad'}'>{'✓' if good else '✗'} {verdict}</h1>",
        f"<p>{time.strftime('%Y-%m-%d %H:%M')}. {_hashes(found)}</p>",
    ]
    failures = [(r, f) for r in found for f in r.failures]
    if failures:
        parts.append(
            "<h2>Failures</h2>"
            + "".join(f"<h3>{r.lab}, {r.edition}, {r.mode}</h3><pre>{html.escape(str(f))}</pre>" for r, f in failures)
        )
    parts += [
        "<h2>Labs</h2>",
        _labs(found, target),
        "<h2>Claims</h2>",
        _claims(found),
        _browser(target),
        _latency(target),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>seqlab: report</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _hashes(found: list[Result]) -> str:
    lines = []
    for edition, mode in dict.fromkeys((r.edition, r.mode) for r in found):
        values = {
            c["id"]: c["value"]
            for r in found
            if (r.edition, r.mode) == (edition, mode)
            for c in r.claims
            if isinstance(c["value"], int | float)
        }
        lines.append(f"Claims hash, {edition}, {mode}: <code>{fingerprint(values)}</code>.")
    return " ".join(lines)


def _labs(found: list[Result], target: Path) -> str:
    rows = []
    for r in found:
        total = sum(cell["seconds"] for cell in r.cells) or 1
        bars = "".join(
            f"<i style='width:{100 * c['seconds'] / total:.2f}%' title='cell {c['cell']}: {c['seconds']:.2f} s: {html.escape(c['line'], quote=True)}'></i>"
            for c in r.cells
        )
        slowest = max(r.cells, key=lambda c: c["seconds"], default=None)
        note = (
            f"<br><small>slowest: cell {slowest['cell']}, {slowest['seconds']:.1f} s, <code>{html.escape(slowest['line'])}</code></small>"
            if slowest
            else ""
        )
        page = f"{r.edition}-{r.mode}/{r.lab}.html"
        name = f"<a href='{page}'>{r.lab}</a>" if (target / page).exists() else r.lab
        rows.append(
            f"<tr><td>{name}</td><td>{r.edition}, {r.mode}</td><td>{_sign(r.ok)}</td>"
            f"<td>{r.seconds:.1f} s</td><td>{r.kilobytes:.0f} kB</td><td><div class='bar' role='img' aria-label='time per cell'>{bars}</div>{note}</td></tr>"
        )
    return _table(("lab", "edition, mode", "verdict", "time", "size", "time per cell"), rows)


def _claims(found: list[Result]) -> str:
    rows = []
    for r in found:
        for c in r.claims:
            source = f"<br><small>{html.escape(r.sources[c['id']])}</small>" if r.sources.get(c["id"]) else ""
            value = (
                "never stated"
                if c["value"] is None
                else f"{c['value']:.6g}"
                if isinstance(c["value"], float)
                else c["value"]
            )
            margin = "" if c["margin"] is None else f"{c['margin']:.3g}"
            rows.append(
                f"<tr><td><code>{c['id']}</code><br><small>{r.lab}, {r.edition}, {r.mode}</small></td><td>{html.escape(c['statement'])}{source}</td>"
                f"<td>{html.escape(c['expected'])}</td><td>{value}</td><td>{margin}</td><td>{_sign(c['ok'])}</td></tr>"
            )
    return _table(("claim", "the statement", "expected", "we get", "margin", ""), rows)


def _latency(target: Path) -> str:
    try:
        measured = json.loads((target / "latency.json").read_text())
    except (OSError, ValueError):
        return ""
    rows = [
        f"<tr><td>{html.escape(f['name'])}{' (peer)' if f['peer'] else ''}</td><td>{f['size']} × {f['size']}</td><td>{f['median_ms']:.0f} ms</td><td>{f['p95_ms']:.0f} ms</td><td>{f['n']}</td></tr>"
        for f in measured["figures"]
    ]
    return f"<h2>From slider to painted pixel</h2><p>{html.escape(measured['machine'])}</p>" + _table(
        ("widget", "size", "median", "95th percentile", "samples"), rows
    )


def _browser(target: Path) -> str:
    try:
        measured = json.loads((target / "browser.json").read_text())
    except (OSError, ValueError):
        return ""
    rows = [
        f"<tr><td>{html.escape(name)}</td><td>{t['run_all_s']:.1f} s</td><td>{t['slowest_first_picture_s']:.1f} s</td></tr>"
        for name, t in sorted(measured.items())
    ]
    return "<h2>In JupyterLab, in the browser</h2>" + _table(
        ("lab (edition), lab mode", "Run All", "slowest first picture after its cell starts"), rows
    )


def _table(head: tuple[str, ...], rows: list[str]) -> str:
    return f"<div class='wide'><table><thead><tr>{''.join(f'<th>{h}</th>' for h in head)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _sign(ok: bool) -> str:
    return "<span class='good'>✓ ok</span>" if ok else "<span class='bad'>✗ fails</span>"


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "build")))
