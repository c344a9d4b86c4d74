"""Slides of a lab, executed in the solved edition: `python -m ci.slides NN [--mode lab] [--out build/slides]`

One HTML file a lab, which asks no network and no other file: the page of `ci.pages`, cut at its headings and pictures.
"""

import argparse
import sys
from pathlib import Path

from ci import run_labs
from ci.pages import TEMPLATES, export
from ci.result import write_text


def slides(executed: Path, page: Path, title: str) -> None:
    """Write an executed notebook as slides."""
    export(executed, page, title)
    head, end = page.read_text(encoding="utf-8").rsplit("</body>", 1)
    write_text(page, f"{head}{(TEMPLATES / 'slides.html').read_text(encoding='utf-8')}</body>{end}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ci.slides", description=__doc__)
    parser.add_argument("labs", nargs="+", metavar="NN")
    parser.add_argument("--mode", default="lab")
    parser.add_argument("--out", type=Path, default=Path("build/slides"))
    chosen = parser.parse_args(argv)
    build = chosen.out / "run"
    told = run_labs.main([*chosen.labs, "--mode", chosen.mode, "--edition", "solved", "--build", str(build)])
    for lab in [] if told else map(run_labs.find, chosen.labs):
        slides(build / "labs" / f"solved-{chosen.mode}" / lab.name, chosen.out / f"{lab.stem}.html", lab.stem)
        print(chosen.out / f"{lab.stem}.html")
    return told


if __name__ == "__main__":
    sys.exit(main())
