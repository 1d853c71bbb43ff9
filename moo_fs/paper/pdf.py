"""The paper as a PDF, by whichever TeX is there, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from moo_fs.contracts import MooFsError, RunError
from moo_fs.paper.writing import places_of
from moo_fs.whole_files import write_whole

STEM = "main"
QUIET = ("-interaction=nonstopmode", "-halt-on-error", "-file-line-error")
BUILDERS: dict[str, tuple[tuple[str, ...], int]] = {  # command and how often it runs, in the order of preference
    "latexmk": (("latexmk", "-pdf", "-norc", *QUIET, f"{STEM}.tex"), 1),
    "tectonic": (("tectonic", "--keep-logs", f"{STEM}.tex"), 1),
    "pdflatex": (("pdflatex", *QUIET, f"{STEM}.tex"), 3),
}
WIDE = 10.0  # points beyond the margin from which a box is worth a word
SECONDS = 300
ERROR = re.compile(r"^(?:!|error:|\S+?\.tex:\d+:).*", re.MULTILINE)
UNDEFINED = re.compile(r"^(?:LaTeX|Package natbib) Warning: (?:Reference|Citation) [`'].*", re.MULTILINE)
OVERFULL = re.compile(r"^Overfull \\[hv]box \(([\d.]+)pt too (?:wide|high)\).*", re.MULTILINE)


@dataclass(frozen=True)
class Built:
    """The PDF, what built it, and a sentence for each box that reaches more than 10 points beyond its margin."""

    path: Path
    builder: str
    overfull: tuple[str, ...]


def build_pdf(root: str | Path) -> Built:
    """Build paper/main.pdf from paper/main.tex and paper/generated/.

    Raises MooFsError if there is no TeX or nothing generated yet; RunError with the first fault if LaTeX finds an
    error, or a reference that is not defined.
    """
    paper = places_of(root).paper
    if not (paper / "generated").is_dir():
        raise MooFsError(f"{paper / 'generated'}: is missing; run `moo-fs paper` first")
    builder = _builder()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "paper"
        shutil.copytree(paper, work, ignore=shutil.ignore_patterns("*.part", f"{STEM}.pdf"))
        said = _run(builder, work)
        log = work / f"{STEM}.log"
        told = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else said
        _refuse_faults(told, said, made=(work / f"{STEM}.pdf").is_file())
        write_whole(paper / f"{STEM}.pdf", (work / f"{STEM}.pdf").read_bytes())
    return Built(paper / f"{STEM}.pdf", builder, tuple(overfull_boxes(told)))


def overfull_boxes(log: str) -> list[str]:
    """Lines of a LaTeX log that tell of a box more than 10 points too large."""
    return [match[0] for match in OVERFULL.finditer(log) if float(match[1]) > WIDE]


def _builder() -> str:
    for name in BUILDERS:
        if shutil.which(name):
            return name
    raise MooFsError(
        f"paper: wanted one of {', '.join(BUILDERS)} to build the PDF, found none; install one, for example with "
        "`apt-get install texlive-latex-recommended texlive-fonts-recommended`"
    )


def _run(builder: str, work: Path) -> str:
    """Run the builder as often as it must; returns what it said."""
    command, times = BUILDERS[builder]
    # A fixed date, and no line breaks in the log's sentences: the same files give the same PDF and readable faults.
    fixed = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "10000"}
    said = ""
    for _ in range(times):
        try:
            done = subprocess.run(
                command, cwd=work, env=os.environ | fixed, capture_output=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise RunError(f"paper: {builder} took more than {SECONDS} seconds") from error
        said = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode:
            break
    return said


def _refuse_faults(log: str, said: str, *, made: bool) -> None:
    error = ERROR.search(log) or ERROR.search(said)
    if error or not made:
        what = error[0] if error else (said.strip().splitlines() or ["it said nothing"])[-1]
        raise RunError(f"paper/{STEM}.tex: LaTeX failed: {what}")
    undefined = UNDEFINED.search(log)
    if undefined:
        raise RunError(f"paper/{STEM}.tex: {undefined[0]}")
