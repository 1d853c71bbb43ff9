"""A module imports only from lower layers; siblings in a layer never import one another."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "moo_fs"
LAYERS = [
    "contracts seeds numerals whole_files peak_memory",
    "registry contrasts agreement rate_curves",
    "tasks decoding information renyi fronts plugins task_weights",
    "split space indicators coding outcomes study trials score_tables folding edge_layers pruning",
    "model_checks ledger",
    "measures subjects optimisers codecs engine oracle scoring store archive",
    "evaluator streams",
    "prepared",
    "loading execute workers results status trust senders prune_studies",
    "api examples runner transmission tables figures pick",
    "launch report own_loops",
    "comparison selection prune_fronts",
    "bench paper",
    "cli",
]
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units.split()}
PARTS_OF = {
    "worker": "workers",
    "run_parts": "execute",
    "worth": "results",
    "archived_values": "results",
    "groups": "space",
    "losses": "tasks",
    "head_passes": "scoring",
    "reported": "scoring",
    "neighbours": "information",
    "neighbour_kernels": "information",
    "transforms": "information",
    "information_limits": "information",
    "pairwise_information": "information",
    "renyi_entropy": "renyi",
    "renyi_search": "renyi",
    "renyi_hybrid": "renyi",
    "renyi_targets": "renyi",
    "prune_file": "study",
    "prune_launch": "launch",
    "prune_ahead": "launch",
    "prune_report": "report",
    "trust_archive": "trust",
    "trust_collect": "trust",
    "trust_report": "report",
    "journal": "store",
    "study_file": "study",
    "study_fields": "study",
    "selection_plan": "study",
    "comparison_plan": "study",
    "comparison_archive": "results",
    "kept_frames": "store",
    "selection_archive": "results",
    "selection_curves": "results",
    "selection_findings": "results",
    "selection_claims": "results",
    "selection_report": "report",
    "selection_pieces": "selection",
    "comparison_report": "report",
    "compiled_outcomes": "engine",
    "weight_kernels": "task_weights",
    "weight_shares": "task_weights",
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.name.startswith("__"))


def unit_of(name: str) -> str:
    part = name.split(".")[1] if "." in name else ""
    return PARTS_OF.get(part, part)


def imported_units(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "moo_fs":
            names |= {f"{node.module}.{alias.name}" if node.module == "moo_fs" else node.module for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("moo_fs.")}
    return {unit_of(name) for name in names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_from_lower_layers_only(path):
    unit = unit_of("moo_fs." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    assert unit in LEVEL, f"{unit} has no layer: add it to LAYERS"
    for other in imported_units(path) - {unit}:
        assert LEVEL[other] < LEVEL[unit], f"{unit} (layer {LEVEL[unit]}) imports {other} (layer {LEVEL[other]})"


def test_no_module_is_a_catch_all():
    forbidden = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    assert not [path for path in MODULES if path.stem in forbidden]


def test_only_figures_import_a_plotting_library():
    drawing = [path for path in MODULES if {"matplotlib", "seaborn"} & external(path)]
    assert {unit_of("moo_fs." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)) for path in drawing} <= {
        "figures"
    }


def external(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found
