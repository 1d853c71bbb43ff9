"""The paper: every number, table and figure in it is made from results/ alone, and can be checked against it."""

from __future__ import annotations

from moo_fs.paper.checking import check_paper
from moo_fs.paper.pdf import Built, build_pdf
from moo_fs.paper.writing import write_paper

__all__ = ["Built", "build_pdf", "check_paper", "write_paper"]
