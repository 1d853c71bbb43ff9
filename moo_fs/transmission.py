"""Both ends of the wire: one image's features to a stream, and a stream to the tasks' outputs.

The receiver works from the stream and from what is deployed once: the subject's heads and the tables of its fit part.
That both sides have the same is checked by the hashes in the deployment record before a symbol is decoded.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from moo_fs import registry
from moo_fs.codecs.entropy import Entropy
from moo_fs.codecs.interface import HEADER_BYTES, Symbols
from moo_fs.coding.cells import BITS_PER_KBIT, Cells
from moo_fs.contracts import MooFsError, bits_array, did_you_mean
from moo_fs.folding import evaluation_copy, exact
from moo_fs.ledger import Ledger, hard_ledger
from moo_fs.loading import load_subject
from moo_fs.plugins import PluginSpec, resolve
from moo_fs.prepared import Prepared, image_pixels
from moo_fs.split import PARTS, SplitModel
from moo_fs.streams import KBIT_PER_BYTE, Deployment, Stream
from moo_fs.subjects.linear_gaussian import AnalyticModel

LARGEST_UNASKED = 4096


@dataclass(frozen=True)
class Encoded:
    """A stream, what it relies on, the ledger of what it takes, and the pixels of the image that it is of."""

    deployment: Deployment
    stream: Stream
    ledger: Ledger
    pixels: int

    @property
    def nominal_kbit(self) -> float:
        """Bits x positions: a budget, not a rate."""
        return self.ledger.nominal_bytes * 8 / BITS_PER_KBIT

    @property
    def entropy_kbit(self) -> float:
        """Of the symbols under the fit part's tables, header included."""
        return self.ledger.entropy_bytes * KBIT_PER_BYTE

    @property
    def coded_bytes(self) -> int:
        """Length of the stream, header included."""
        return HEADER_BYTES + self.stream.payload_bytes


def subject_spec(reference: str, options: Mapping[str, Any], *, folder: Path | None = None) -> PluginSpec:
    """A subject and its options, checked as in a study file; runs the file if `reference`, and only it, names one."""
    # The name last: options may come from a stream, and none of them may name another subject.
    return resolve({**options, "name": reference}, kind="subject", key="subject", folder=folder or Path())


def encode(spec: PluginSpec, bits: Any, *, part: str, image: int, codec: str = "ans", named: str = "bits") -> Encoded:
    """Code the features of image number `image` of a part under an allocation bits (channel,).

    Errors call the bits `named`. Raises MooFsError for an image that the part does not have, and for a subject or
    codec that makes no streams.
    """
    if part not in PARTS:
        raise MooFsError(f"no part '{part}'{did_you_mean(part, PARTS)}")
    coder_class = registry.codecs.load(codec)
    prepared = prepared_for(spec)
    row = bits_array(bits, channels=prepared.channels, name=named)[0]
    features = prepared.features(part)  # type: ignore[arg-type]
    if not 0 <= image < len(features):
        raise MooFsError(f"image: wanted 0 to {len(features) - 1}, the {part} part's images, got {image}")
    cells = prepared.tables.select(row)
    symbols = cells.symbols(features[image : image + 1].numpy())
    code = coder_class(cells).encode(symbols[0])
    deployment = Deployment(
        subject=_reference(spec),
        options=dict(spec.options),
        part=part,
        bits=tuple(row.tolist()),
        codec=codec,
        shape=(symbols.shape[1], symbols.shape[2], symbols.shape[3]),
        tables=tables_hash(cells),
        heads=heads_hash(prepared),
    )
    stream = Stream(image, code)
    ledger = hard_ledger(
        cells,
        row,
        positions=symbols[0, 0].size,
        header=HEADER_BYTES,
        payload=stream.payload_bytes,
        entropy=float(Entropy(cells).payload_bytes(symbols)[0]),
        code_tables=coder_class.uses_tables,
    )
    return Encoded(deployment, stream, ledger, image_pixels(prepared.model, part))  # type: ignore[arg-type]


def receiver(
    deployment: Deployment,
    *,
    subject: str | None = None,
    options: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Prepared:
    """The subject that a stream relies on, checked to be the same.

    A record may come from anybody, so it loads registered subjects only; a user's own must be named by `subject`,
    "file.py:function" relative to `folder`. Options of the record hold small numbers only; the user's own `options`,
    which stand before the record's, may be larger. What can be refused without building the subject is. Raises
    MooFsError if there is no such subject, or if it is not the sender's.
    """
    registry.codecs.load(deployment.codec)
    own = dict(options or {})
    _refuse_large({name: value for name, value in deployment.options.items() if name not in own})
    if subject is None:
        _refuse_unknown(deployment)
    named = subject or deployment.subject
    prepared = prepared_for(subject_spec(named, {**deployment.options, **own}, folder=folder))
    _refuse_other(prepared, deployment, named)
    return prepared


def _refuse_large(options: Mapping[str, Any]) -> None:
    """No file decides alone that this machine builds something large."""
    for name, value in options.items():
        if isinstance(value, int | float) and abs(value) > LARGEST_UNASKED:
            raise MooFsError(
                f"the stream sets the option {name} to {value}, and numbers beyond {LARGEST_UNASKED} may make a "
                f"subject too large for this machine; if you trust it, repeat it with --option {name}={value}"
            )


def _refuse_unknown(deployment: Deployment) -> None:
    """Only what is registered, and only with the channels that it says to have."""
    known = {row["name"]: row for row in registry.subjects.rows()}
    if deployment.subject not in known:
        raise MooFsError(
            f"the stream names the subject '{deployment.subject}', which is not registered, and files that a "
            "stream names are not run unasked; if you trust it, name it with --subject file.py:function"
        )
    channels = known[deployment.subject].get("channels", deployment.shape[0])
    if "channels" not in deployment.options and channels != deployment.shape[0]:
        raise _other_shape(deployment, deployment.subject, f"{channels} channels")


def _refuse_other(prepared: Prepared, deployment: Deployment, subject: str) -> None:
    shape = tuple(prepared.features("fit").shape[1:])
    if shape != deployment.shape:
        raise _other_shape(deployment, subject, f"features of {shape}")
    same = {
        "tables": tables_hash(prepared.tables.select(np.array(deployment.bits))) == deployment.tables,
        "heads": heads_hash(prepared) == deployment.heads,
    }
    for what, agrees in same.items():
        if not agrees:
            raise MooFsError(
                f"subject '{subject}': its {what} are not those that the stream was encoded for; decode with the "
                "subject, the libraries and the kind of machine of the sender"
            )


def _other_shape(deployment: Deployment, subject: str, has: str) -> MooFsError:
    return MooFsError(
        f"subject '{subject}': has {has}, the stream is of features of {deployment.shape}; decode with the "
        "subject and the options of the sender"
    )


def decode(prepared: Prepared, deployment: Deployment, stream: Stream) -> Symbols:
    """The symbols (channel, height, width) that were encoded, bit for bit."""
    codec = registry.codecs.load(deployment.codec)
    cells = prepared.tables.select(np.array(deployment.bits))
    return codec(cells).decode(stream.code, deployment.shape)  # type: ignore[no-any-return]


def outputs(prepared: Prepared, deployment: Deployment, symbols: Symbols) -> dict[str, np.ndarray]:
    """Task -> output (1, ...) of the heads as they are, on what the symbols stand for."""
    cells = prepared.tables.select(np.array(deployment.bits))
    received = torch.from_numpy(cells.values(symbols[None])).to(prepared.device)
    found = {}
    with torch.inference_mode(), exact(prepared.device):
        for task in prepared.tasks:
            found[task.name] = evaluation_copy(prepared.model.heads[task.name])(received.clone()).cpu().numpy()
    return found


def prepared_for(spec: PluginSpec) -> Prepared:
    """The subject made ready; raises MooFsError if it is analytic, as then there are no symbols to send."""
    factory = spec.load("subject")
    analytic = MooFsError(f"subject '{spec.name}': is analytic and has no symbols to send; choose a network")
    # One that says so is refused before it is built.
    if inspect.signature(factory).return_annotation in (AnalyticModel, AnalyticModel.__name__):
        raise analytic
    prepared = load_subject(factory, options=spec.options)
    if not isinstance(prepared.model, SplitModel):
        raise analytic
    return prepared


def tables_hash(cells: Cells) -> str:
    """SHA-256 of all that turns symbols into values and codes."""
    digest = hashlib.sha256()
    for array in (cells.offset, cells.scale, cells.levels, cells.centroids, cells.code_bits):
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def heads_hash(prepared: Prepared) -> str:
    """SHA-256 of the heads' weights, by task and name."""
    digest = hashlib.sha256()
    for task in prepared.tasks:
        for name, value in prepared.model.heads[task.name].state_dict().items():
            if isinstance(value, torch.Tensor):
                digest.update(f"{task.name} {name} {value.dtype} {tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _reference(spec: PluginSpec) -> str:
    """What the record calls the subject: no folders of the sender's machine."""
    return spec.name if spec.reference is None else str(spec.specification["file"])
