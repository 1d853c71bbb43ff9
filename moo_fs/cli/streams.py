"""Commands about bitstreams: encode one image's features, and decode them to the tasks' outputs."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from moo_fs.cli import console
from moo_fs.cli.subjects import Json, read_bits
from moo_fs.contracts import MooFsError
from moo_fs.whole_files import write_together

if TYPE_CHECKING:
    from moo_fs.transmission import Encoded

Option = Annotated[
    list[str] | None,
    typer.Option("--option", help="key=value, an option of the subject, before a stream's own; repeat for several."),
]


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command()(encode)
    app.command()(decode)


def encode(
    subject: Annotated[str, typer.Argument(help="A registered name or file.py:function.")],
    bits: Annotated[Path, typer.Option("--bits", help="A JSON list of integers, one a channel, 0 to 8.")],
    image: Annotated[int, typer.Option("--image", help="Which image of the part, from 0.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .mfs file to write.")],
    codec: Annotated[str, typer.Option("--codec", help="See moo-fs list codecs.")] = "ans",
    part: Annotated[str, typer.Option("--part", help="fit, search or test.")] = "test",
    option: Option = None,
    as_json: Json = False,
) -> None:
    """One image's features as a real bitstream, and what it takes beside what was promised."""
    from moo_fs import streams, transmission

    wanted = read_bits(bits)
    spec = transmission.subject_spec(subject, _options(option or []))
    encoded = transmission.encode(spec, wanted, named=str(bits), part=part, image=image, codec=codec)
    content = streams.pack(encoded.deployment, encoded.stream)
    _write(out, content)
    ledger = _ledger(encoded, len(streams.packed_record(encoded.deployment)), len(content))
    if as_json:
        told = {"file": str(out), "subject": encoded.deployment.subject, "part": part, "image": image, "codec": codec}
        console.write_json(told | ledger)
    else:
        _say(out, ledger)


def decode(
    file: Annotated[Path, typer.Argument(help="The .mfs file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npz file to write, an array a task.")],
    subject: Annotated[
        str | None, typer.Option("--subject", help="The receiver's subject; a user's own must be named here.")
    ] = None,
    option: Option = None,
    as_json: Json = False,
) -> None:
    """The tasks' outputs from a bitstream alone."""
    from moo_fs import streams, transmission

    options = _options(option or [])
    deployment, stream = streams.read(file)
    try:
        prepared = transmission.receiver(deployment, subject=subject, options=options)
        symbols = transmission.decode(prepared, deployment, stream)
    except MooFsError as error:
        raise MooFsError(f"{file}: {error}") from error
    found = transmission.outputs(prepared, deployment, symbols)
    _write_arrays(out, found)
    shapes = {name: list(values.shape) for name, values in found.items()}
    if as_json:
        told = {"file": str(out), "subject": deployment.subject, "part": deployment.part, "image": stream.image}
        console.write_json(told | {"outputs": shapes})
    else:
        console.say(f"{file}: image {stream.image} of the {deployment.part} part of {deployment.subject}")
        console.table([{"output": name, "shape": " x ".join(map(str, shape))} for name, shape in shapes.items()])
        console.say(f"written: {out}")


def _ledger(encoded: Encoded, deployment_bytes: int, file_bytes: int) -> dict[str, Any]:
    """What the file takes beside what was promised; `items` say of what, and what of it is deployed once."""
    from moo_fs.ledger import Rate

    rate = Rate(encoded.coded_bytes, elements=math.prod(encoded.deployment.shape), pixels=encoded.pixels)
    return {
        "header_bytes": encoded.coded_bytes - encoded.stream.payload_bytes,
        "payload_bytes": encoded.stream.payload_bytes,
        "coded_bytes": encoded.coded_bytes,
        "deployment_bytes": deployment_bytes,
        "file_bytes": file_bytes,
        "nominal_kbit": encoded.nominal_kbit,
        "entropy_kbit": encoded.entropy_kbit,
        "coded_kbit": rate.kbit,
        "nominal_bytes": encoded.ledger.nominal_bytes,
        "entropy_bytes": encoded.ledger.entropy_bytes,
        "deployed_bytes": encoded.ledger.deployed_bytes,
        "coded_kilobytes": rate.kilobytes,
        "bits_per_pixel": rate.bits_per_pixel,
        "bits_per_element": rate.bits_per_element,
        "items": encoded.ledger.rows(),
    }


def _say(out: Path, ledger: Mapping[str, Any]) -> None:
    """What is sent and what is deployed, item by item; then the three sizes side by side."""
    items = [
        {"item": row["name"], "bytes": row["bytes"], "sent": "once" if row["deployed"] else "with each image"}
        | {"about": row["about"]}
        for row in ledger["items"]
    ]
    console.table(items)
    about = {
        "nominal": "bits x positions: a budget, not a rate",
        "entropy": "of the symbols under the fit part's tables, header included",
        "coded": "the stream, header included",
    }
    sizes = [
        {"size": name, "bytes": ledger[f"{name}_bytes"], "kbit": ledger[f"{name}_kbit"], "about": told}
        for name, told in about.items()
    ]
    console.table(sizes)
    console.say(
        f"coded: {ledger['coded_kilobytes']:.4g} kB, {ledger['bits_per_pixel']:.4g} bits per pixel of the input image, "
        f"{ledger['bits_per_element']:.4g} bits per element of the features"
    )
    console.say(
        f"written: {out}, {ledger['file_bytes']} bytes: the stream, the deployment record of "
        f"{ledger['deployment_bytes']} bytes (subject, allocation and hashes, deployed once), magic and check sum"
    )


def _options(texts: list[str]) -> dict[str, Any]:
    """The options behind "key=value": a value is JSON where it can be, else a word."""
    from moo_fs.streams import is_option

    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not is_option(key):
            raise MooFsError(f"--option: wanted key=value with an option of the subject, got '{text}'")
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            found[key] = value
    return found


def _write(path: Path, content: bytes) -> None:
    """The whole file or none of it."""
    try:
        write_together({path: content})
    except OSError as error:
        raise MooFsError(f"{path}: cannot be written ({error.strerror}); choose another file with -o") from error


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """What numpy.savez writes, for tasks of any name (its own parameters' names among them), nothing pickled."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
    _write(path, content.getvalue())
