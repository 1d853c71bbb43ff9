"""Commands about subjects: list, evaluate, train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from moo_fs import registry
from moo_fs.cli import console
from moo_fs.contracts import MooFsError, did_you_mean

Json = Annotated[bool, typer.Option("--json", help="JSON alone on stdout.")]
Device = Annotated[str, typer.Option("--device", help="cpu or cuda.")]


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command("list")(list_)
    app.command()(evaluate)
    app.command()(train)


def list_(
    kind: Annotated[str, typer.Argument(help="measures, optimisers, subjects, codecs or studies.")],
    as_json: Json = False,
) -> None:
    """What there is to choose from."""
    if kind == "studies":
        rows = _studies(Path("studies"))
    elif kind in registry.TABLES:
        rows = registry.TABLES[kind].rows()
    else:
        raise MooFsError(f"list: no kind '{kind}'{did_you_mean(kind, [*registry.TABLES, 'studies'])}")
    if as_json:
        console.write_json(rows)
    else:
        console.table(rows, columns=("name", "about"))


def evaluate(
    subject: Annotated[
        str, typer.Argument(help="A registered name or file.py:function, with options as name[option=value,...].")
    ],
    bits: Annotated[Path, typer.Option("--bits", help="A JSON list of integers, one a channel, 0 to 8.")],
    part: Annotated[str, typer.Option("--part", help="fit, search or test.")] = "test",
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Rate, distortions and metrics of one allocation."""
    from moo_fs import api, plugins
    from moo_fs.contracts import bits_array
    from moo_fs.loading import load_subject

    wanted = read_bits(bits)
    spec = plugins.parse(subject, kind="subject", key="SUBJECT", folder=Path())
    prepared = load_subject(spec.load("subject"), options=spec.options, device=device)
    bits_array(wanted, channels=prepared.channels, name=str(bits))
    frame = api.evaluate(prepared, wanted, part=part)
    row = {str(name): float(value) for name, value in frame.iloc[0].items()}
    if as_json:
        console.write_json(row)
    else:
        console.table([{"quantity": key, "value": f"{value:.5g}"} for key, value in row.items()])


def train(
    subject: Annotated[str, typer.Argument(help="The subject whose network is trained.")],
    device: Device = "cpu",
    out: Annotated[Path, typer.Option("--out", help="Folder of the checkpoint and the weights.")] = Path("training"),
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of the training data; else $MOO_FS_DATA.", envvar="MOO_FS_DATA"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which network: 0 is the one that ships.")] = 0,
    steps: Annotated[int | None, typer.Option("--steps", help="Fewer steps, to try it.")] = None,
    width: Annotated[
        float | None, typer.Option("--width", help="vgg16-cifar10: multiple of the published width, such as 0.25.")
    ] = None,
    noise: Annotated[
        bool,
        typer.Option("--noise", help="fashion-scenes: fine-tune shipped network --seed's heads on quantised features."),
    ] = False,
    variant: Annotated[str | None, typer.Option("--variant", help="cityscapes: 256 or 512 channels.")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--start", help="cityscapes: state file of an ImageNet ResNet-34 (.safetensors, .pth)."),
    ] = None,
) -> None:
    """Train a subject's network: seeded, resumable, with a progress bar."""
    from moo_fs.loading import check_device
    from moo_fs.subjects import trainers

    trainer = trainers.trainer(subject, width=width, variant=variant, start=start, noise=noise, tell=console.remark)
    if data is None:
        raise MooFsError(f"train {subject}: wanted {trainer.data}; name its folder with --data or $MOO_FS_DATA")
    if steps is not None and steps < 1:
        raise MooFsError(f"train {subject}: --steps: wanted 1 or more, got {steps}")
    check_device(device)
    path = console.trained(trainer, data=data, out=out, seed=seed, device=device, steps=steps)
    console.say(f"weights: {path}")


def read_bits(path: Path) -> list[Any]:
    """The JSON list in `path`."""
    if not path.is_file():
        raise MooFsError(f"{path}: no such file; wanted a JSON list of integers, one a channel")
    try:
        found = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise MooFsError(f"{path}: not JSON ({error}); wanted a list of integers, one a channel") from error
    if not isinstance(found, list) or any(isinstance(one, list) for one in found):
        raise MooFsError(f"{path}: wanted one JSON list of integers, got {type(found).__name__} of something else")
    return found


def _studies(folder: Path) -> list[dict[str, Any]]:
    from moo_fs.comparison_plan import read_comparison

    if not folder.is_dir():
        raise MooFsError(f"list studies: no folder {folder.resolve()}; run this where studies/ lies")
    return [
        {"name": path.stem, "about": read_comparison(path).whole.question} for path in sorted(folder.glob("*.toml"))
    ]
