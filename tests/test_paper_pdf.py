"""The paper's PDF: which TeX builds it, and what is told of errors, undefined references and wide boxes."""

import re
import shutil

import pytest
from paper_project import MAIN, declare

from moo_fs.contracts import MooFsError, RunError
from moo_fs.paper import build_pdf, pdf


@pytest.fixture
def bare(tmp_path):
    """A paper with something generated, and no archive."""
    (tmp_path / "paper/generated/tables").mkdir(parents=True)
    (tmp_path / "results").mkdir()
    (tmp_path / "paper/main.tex").write_text(MAIN % "")
    (tmp_path / "paper/generated/numbers.tex").write_text("\\newcommand{\\BestHypervolume}{0.7}")
    (tmp_path / "paper/generated/tables/hypervolume.tex").write_text("\\begin{tabular}{l}a\\end{tabular}")
    return declare(tmp_path, {})


def test_without_tex_the_sentence_says_what_to_install(bare, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MooFsError, match="apt-get install texlive"):
        build_pdf(bare)


def fake_tex(monkeypatch, bare, log, *, status=0):
    """A pdflatex that writes this log and a PDF."""
    folder = bare / "bin"
    folder.mkdir()
    (bare / "log").write_text(log)
    script = f"#!/bin/sh\n/bin/cp '{bare / 'log'}' main.log\necho pdf > main.pdf\nexit {status}\n"
    (folder / "pdflatex").write_text(script)
    (folder / "pdflatex").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("log", "status", "said"),
    [
        ("./main.tex:3: Undefined control sequence.\nl.3 \\x\n", 1, "main.tex:3: Undefined control sequence"),
        ("! LaTeX Error: File `x.sty' not found.\n", 1, "File `x.sty' not found"),
        ("LaTeX Warning: Reference `tab:x' on page 1 undefined on input line 7.\n", 0, "Reference `tab:x'"),
        ("LaTeX Warning: Citation `a' on page 1 undefined on input line 7.\n", 0, "Citation `a'"),
    ],
)
def test_errors_and_undefined_references_of_latex_are_told(bare, monkeypatch, log, status, said):
    fake_tex(monkeypatch, bare, log, status=status)
    with pytest.raises(RunError, match=re.escape(said)):
        build_pdf(bare)
    assert not (bare / "paper/main.pdf").exists()


def test_boxes_that_reach_far_beyond_the_margin_are_listed(bare, monkeypatch):
    wide = "Overfull \\hbox (23.5pt too wide) in alignment at lines 9--12"
    fake_tex(monkeypatch, bare, f"{wide}\nOverfull \\hbox (9.9pt too wide) in paragraph at lines 1--2\n")
    built = build_pdf(bare)
    assert (built.builder, built.overfull) == ("pdflatex", (wide,))
    assert built.path.read_text() == "pdf\n"


@pytest.mark.skipif(not any(map(shutil.which, pdf.BUILDERS)), reason="no TeX here; CI has one")
def test_a_small_paper_is_built_by_the_tex_that_is_there(bare):
    assert build_pdf(bare).path.read_bytes().startswith(b"%PDF")
