"""Selection studies in the paper: its numbers follow from the archives, nothing else passes the check."""

import hashlib
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from paper_project import copied, declare, generated, unmet, write_project
from synthetic_selection import FALLING, TASKS, by, curve, losses_of, study

from moo_fs.archive import write_archive
from moo_fs.figures import selection as curves_drawn
from moo_fs.paper import checking
from moo_fs.paper.archives import Archives
from moo_fs.paper.checking import check_paper
from moo_fs.paper.kinds import SELECTION, kind_of, open_archive
from moo_fs.paper.literals import macros_of
from moo_fs.paper.numbers import macro_name
from moo_fs.paper.rechecking import recheck_selection
from moo_fs.paper.selection_floats import claims_page
from moo_fs.paper.writing import places_of, write_paper
from moo_fs.selection_archive import load_selection
from moo_fs.selection_curves import image_copies
from moo_fs.selection_report import write_selection_report
from moo_fs.tables import Table
from moo_fs.tables import selection as tables

MEASURES = ("random", "l2-norm", "geometric-median", "mutual-information")
MI = "mutual-information"
CHANNELS = 12
PARTS = {"hard": "orders", "soft": "qualities", "weights": "simplex"}
FIGURES = {"curves": "qualities/rate-curves-net"}


def hard_curves(weights):
    """Mutual information's line from 1 to 0; the others lie above it, by most for depth."""
    worse = FALLING + np.array([0.1, 0.3, 0.2]) * (FALLING > 0) + 0.01

    def curves(subject, seed):
        rows = []
        for measure, weight in itertools.product(MEASURES, weights):
            rows += curve(subject, "hard", FALLING if measure == MI else worse, **by(measure, task_weights=weight))
        return rows + curve(subject, "uniform-step", FALLING / 2)

    return curves


def soft_curves(subject, seed):
    """Soft selection between hard selection, which is worse, and one QP, which is better."""
    told = {"base_share": 0.25, "base_qp": "22"}
    rows = curve(subject, "soft", FALLING, **by(MI, **told))
    rows += curve(subject, "hard", FALLING + 0.2 * (FALLING > 0), **by(MI, base_qp="22"))
    return rows + curve(subject, "one-qp", FALLING * 0.8)


def scores():
    """Scores that are the same for segmentation and depth, and the reverse for reconstruction."""
    rising = np.arange(CHANNELS, dtype=float)
    return [
        {"subject": f"net[draw={draw}]", "seed": seed, "measure": measure, "task": task, "channel": channel,
         "score": rising[-1 - channel if task == "reconstruction" else channel], "seconds": 0.0, "head_passes": 0.0}
        for draw, seed, measure, task, channel in itertools.product(
            range(3), range(4), MEASURES, TASKS, range(CHANNELS))
    ]  # fmt: skip


def write(folder, curves, **settings):
    """The archive of made-up results."""
    found = study(curves, scores=scores())
    found.rows["reconstruction_psnr_db"] = -10 * np.log10(1 + found.rows["distortion_reconstruction"])  # as the losses
    common = {"measures": list(MEASURES), "methods": ["hard"], "task_weights": ["equal"], "rivals": ["uniform-step"]}
    common |= {"kept": [0.5], "bases": [0.25], "base_qps": ["22"], "seeds": 4, "fills": ["mean"], "codecs": ["ans"]}
    about = {
        "name": folder.name,
        "question": "Which?",
        "specification": {"name": folder.name, "selection": common | settings},
        "subjects": [{**entry, "channels": CHANNELS} for entry in found.study["subjects"]],
    }
    frames = {"summary.csv": found.rows, "images.parquet": losses_of(found.rows), "scores.parquet": found.scores}
    write_archive(folder, frames, about, source="0" * 64)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("project"), comparison=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moo_fs.selection_findings.image_copies", lambda images: image_copies(images, 3))
        write(root / "results/orders", hard_curves(("equal", *TASKS)), task_weights=["equal", "each"])
        write(root / "results/qualities", soft_curves, methods=["soft"], rivals=["one-qp"])
        write(root / "results/simplex", hard_curves(("equal",)))
        write_selection_report(root / "results/qualities")
        declare(root, PARTS, figures=FIGURES, kept=("one", "other"))
        write_paper(root)
        yield root


@pytest.fixture
def spoilt(root, tmp_path):
    return copied(root, tmp_path)


def mended(folder, name, content):
    """Put content and its hash where others were."""
    path, hashes = folder / name, folder / ("hashes.json" if folder.name == "report" else "study.json")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(content)
    hashes.write_text(hashes.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))


def archive_faults(root):
    """Faults of the archives and their reports alone."""
    places = places_of(root)
    recorded = json.loads((places.generated / "hashes.json").read_text())["archives"]
    return checking._archives_checked(places.declared(), Archives(places.results), recorded)[0]


def macro(root, name):
    text = generated(root)["numbers.tex"].read_text()
    start = text.index(rf"\newcommand{{\{name}}}{{") + len(name) + 15
    return text[start : text.index("}\n", start)]


def test_the_papers_numbers_are_those_of_the_archives(root):
    # Mutual information's order is the best everywhere, yet its gain is largest for depth and not for reconstruction.
    assert macro(root, "HardClaimAOne") == "holds: 18, does not hold: 2"
    assert macro(root, "HardLargestGain").count("depth against") == 3
    assert macro(root, "HardPlaces") == "1 for segmentation; 1 for depth; 1 for reconstruction"
    assert macro(root, "HardBetweenTasks").startswith("1.00 for segmentation and depth; $-$1.00 for segmentation")
    assert macro(root, "HardOneStep").startswith("0.250 against 0.500 (segmentation)")
    assert macro(root, "HardNetworks") == "3 trained networks"
    assert macro(root, "SoftClaimAThree") == "holds: 3, does not hold: 3"
    assert macro(root, "SoftAgainstOne").startswith("+0.100 (segmentation)")
    assert macro(root, "WeightsVerdictLossSpan") == "holds"
    assert macro(root, "WeightsShareLossSpan") == "1.000 (1.000 to 1.000)"
    assert macro(root, "HasFigureCurves") == macro(root, "HasSelectionClaims") == ""
    made = set(generated(root))
    assert {"hard.tex", "soft.tex", "weights.tex", "figures/curves.pdf"} <= made
    told = ("hard", "hard-contrasts", "hard-orders", "soft", "soft-delta", "soft-bytes", "weights", "selection-claims")
    for name in told:
        assert {f"tables/{name}.tex", f"tables/{name}.csv"} <= made
    claims = pd.read_csv(generated(root)["tables/selection-claims.csv"])
    assert claims["claim"].tolist() == sorted(claims["claim"])
    assert set(claims["claim"]) == {"A1", "A2", "A3", "A4"}


def test_all_of_it_passes_the_check_and_nothing_is_computed_twice(root, monkeypatch):
    counted = {"claims": 0, "curves": 0}

    def counting(what, function):
        def counts(*arguments, **named):
            counted[what] += 1
            return function(*arguments, **named)

        return counts

    monkeypatch.setattr(tables, "claims_table", counting("claims", tables.claims_table))
    drawn = curves_drawn.draw_rate_curves
    monkeypatch.setattr(curves_drawn, "draw_rate_curves", counting("curves", drawn))
    assert check_paper(root) == []
    assert counted == {"claims": len(PARTS), "curves": 1}
    assert kind_of(root / "results/orders") is SELECTION


def test_every_claim_of_every_study_stands_on_one_page_that_the_check_guards(spoilt):
    page = spoilt / "results/claims.md"
    text = page.read_text()
    for study_, claim in (("orders", "A1"), ("orders", "A4"), ("qualities", "A3"), ("simplex", "A4")):
        assert f"| {study_} | {claim} | net |" in text
    assert text.index("| A1 |") < text.index("| A3 |") < text.index("| A4 |")
    page.write_text(text.replace("holds |", "does not hold |", 1))
    assert any("claims.md: was edited by hand" in fault for fault in check_paper(spoilt))
    page.unlink()
    assert any("claims.md: is missing" in fault for fault in check_paper(spoilt))


def test_claims_of_other_kinds_of_studies_follow_in_tables_of_their_own(root):
    told = Table("claims", "The published claims", ("claim", "verdict"), (("B1", "holds"),), pd.DataFrame())
    pruned = SimpleNamespace(content=None, folder=Path("20_prune"), tables={"claims": told})
    without = SimpleNamespace(content=None, folder=Path("01_first"), tables={})
    page = claims_page([without, pruned, open_archive(root / "results/simplex")])
    assert page.index("## On feature selection") < page.index("## 20_prune: The published claims")
    assert "| B1 | holds |" in page
    assert "01_first" not in page


@pytest.mark.parametrize("name", ["summary.csv", "images.parquet", "scores.parquet"])
def test_one_bit_flipped_in_any_file_is_noticed(spoilt, name):
    path = spoilt / "results/orders" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert any(f"results/orders/{name}: differs from its hash" in fault for fault in archive_faults(spoilt))


def test_a_value_that_only_study_json_holds_is_noticed(spoilt):
    path = spoilt / "results/simplex/study.json"
    path.write_text(path.read_text().replace('"segmentation_miou": 0.8', '"segmentation_miou": 0.9'))
    assert any("simplex: is not the archive that the paper was made from" in fault for fault in archive_faults(spoilt))


@pytest.mark.parametrize("column", ["distortion_segmentation", "depth_rmse", "reconstruction_psnr_db"])
def test_a_value_that_its_images_losses_do_not_give_is_noticed_whatever_its_hashes_say(spoilt, column):
    folder = spoilt / "results/orders"
    assert recheck_selection(load_selection(folder)) == []
    rows = pd.read_csv(folder / "summary.csv", keep_default_na=False, dtype=str)
    rows.loc[5, column] = str(float(rows.loc[5, column]) + 1e-4)
    mended(folder, "summary.csv", rows.to_csv(index=False, lineterminator="\n"))
    faults = recheck_selection(load_selection(folder))
    assert len(faults) == 1
    assert f"{column} in 1 rows of summary.csv is not what the losses in images.parquet give" in faults[0]


def test_a_table_that_the_archive_would_give_otherwise_is_noticed_whatever_its_hash_says(spoilt):
    report = spoilt / "results/qualities/report"
    text = (report / "tables/soft-net.csv").read_text()
    mended(report, "tables/soft-net.csv", text.replace("0.1,", "0.2,", 1))
    assert text != (report / "tables/soft-net.csv").read_text()
    faults = archive_faults(spoilt)
    assert len(faults) == 1
    assert "report/tables/soft-net.csv: differs from what the archive gives" in faults[0]


def test_a_figure_under_another_name_is_one_of_its_archive(spoilt):
    for figures, said in (
        ({"curves": "qualities/rate-curve"}, "archive 'qualities' has no data for it"),
        ({"Curves": "orders/rate-curves-net"}, "sources.figures.Curves: wanted a name in small letters"),
        ({"curves": "../orders"}, "wanted the name of a folder under results/"),
    ):
        declare(spoilt, {}, figures=figures)
        with pytest.raises(ValueError, match=said):
            write_paper(spoilt)


def test_a_study_that_cannot_supply_its_part_is_refused(spoilt):
    for sources, said in (
        ({"hard": "one"}, r"wanted the archive of a selection study in .*one, found another kind"),
        ({"soft": "orders"}, r"sources.soft: the study 'orders' has no such table"),
        ({"costs": "orders"}, r"wanted the archive of a study in .*orders, found another kind"),
    ):
        declare(spoilt, sources)
        with pytest.raises(ValueError, match=said):
            write_paper(spoilt)


def test_figures_of_an_archive_are_drawn_once(root):
    opened = open_archive(root / "results/qualities")
    assert opened.figure("rate-curves-net") is opened.figure("rate-curves-net") is not None
    assert opened.figure("nothing") is None


def test_every_macro_that_the_papers_text_needs_of_these_parts_is_made(root):
    text = (Path(__file__).parents[1] / "paper/main.tex").read_text()
    made = {*macros_of(generated(root)["numbers.tex"].read_text())}
    parts = tuple(macro_name(part) for part in PARTS)
    assert [name for name in unmet(text, made) if name.startswith(parts)] == []
    assert any(name in text for name in made if name.startswith(parts))
