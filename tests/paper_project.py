"""A small project with archives and a paper that is made from them: nothing is scored, searched or trained."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from synthetic_archive import write_archive
from synthetic_comparison import write_synthetic

MAIN = r"""\documentclass{article}
\usepackage{booktabs}
\input{generated/numbers}
\newcommand{\name}[1]{#1}
\begin{document}
Best: \BestHypervolume, of $2^3$ %s.
\input{generated/tables/hypervolume}
\end{document}
"""
STUDY = {"subjects": "one", "hypervolume": "one", "costs": "one"}
SOURCES = STUDY | {"compare": "pairs"}
SIZES = {"evaluations": 6, "seeds": 2, "channels": 8, "pictures": False}


def write_project(root: Path, *, comparison: bool = True) -> Path:
    """The archives `one` and `other`, the comparison `pairs` if wanted, main.tex and paper.toml; nothing generated."""
    write_archive(root / "results/one", measures=("random", "sensitivity"), optimisers=("random", "tpe"), **SIZES)
    write_archive(root / "results/other", measures=("random",), optimisers=("random",), **SIZES)
    if comparison:
        measures = ("random", "shuffled-mutual-information", "l1-norm", "sensitivity")
        write_synthetic(root / "results/pairs", measures=measures, networks=2, seeds=2, evaluations=3)
    (root / "paper").mkdir()
    (root / "paper/main.tex").write_text(MAIN % "")
    return declare(root, SOURCES if comparison else STUDY)


def declare(root: Path, sources: dict, *, figures=None, kept=("other",)) -> Path:
    """Write paper.toml."""
    lines = ["[sources]", *(f'{key} = "{name}"' for key, name in sources.items())]
    lines += ["[sources.figures]", *(f'{key} = "{name}"' for key, name in (figures or {}).items())]
    (root / "paper" / "paper.toml").write_text("\n".join([*lines, "[archives]", f"kept = {json.dumps(kept)}"]) + "\n")
    return root


def copied(root: Path, to: Path) -> Path:
    """A copy of a project, to be spoilt."""
    return Path(shutil.copytree(root, to / "copy"))


def generated(root: Path) -> dict[str, Path]:
    """Files of paper/generated/ by their path there."""
    folder = root / "paper/generated"
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def unmet(text, defined):
    """Macros of ours that a LaTeX text needs, parts aside that \\ifdefined leaves out, and that nothing defines."""
    guards, missing = [], []
    for token in re.finditer(r"\\ifdefined\\([A-Za-z]+)|\\(fi)\b|\\([A-Z][A-Za-z]+)", re.sub(r"(?<!\\)%.*", "", text)):
        if token[1]:
            guards.append(token[1])
        elif token[2]:
            guards.pop()
        elif all(guard in defined for guard in guards) and token[3] not in defined:
            missing.append(token[3])
    assert not guards
    return missing
