"""What one image's features take, item by item, and one byte count in every unit.

Three figures stand side by side and are never mixed: the *nominal* size (sum of bits x positions: a budget, not a
rate), the *entropy* of the symbols under the fit part's tables, and the *coded* size, the length of a stream that
another process decodes. What is deployed once is listed and counts 0 per image; `per_image_bytes` says what a system
would send that deploys nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from moo_fs.coding.cells import Cells
from moo_fs.contracts import MooFsError

BITS_PER_DEPTH = 4  # a depth is 0 to 8
RANGE_BYTES = 8  # offset and scale of a channel, float32
CENTROID_BYTES = 4  # of a level, float32
CODE_TABLE_BYTES = 3  # of a level: constriction's frequencies are whole numbers of 24 bits


@dataclass(frozen=True)
class Rate:
    """One count of bytes per image in all units of the literature.

    Attributes:
        bytes: mean or single size of one image's stream.
        elements: of the features at the split (channel x height x width), sent or not.
        pixels: of the network's input image (height x width), before any padding.
    """

    bytes: float
    elements: int
    pixels: int

    def __post_init__(self) -> None:
        if not self.bytes >= 0 or self.elements < 1 or self.pixels < 1:
            raise MooFsError(
                "rate: wanted bytes of 0 or more per 1 or more elements and pixels, got "
                f"{self.bytes} per {self.elements} and {self.pixels}; give the sizes before padding"
            )

    @property
    def kbit(self) -> float:
        """Thousands of bits per image."""
        return self.bytes * 8 / 1000

    @property
    def kilobytes(self) -> float:
        """Thousands of bytes (not 1024) per image."""
        return self.bytes / 1000

    @property
    def bits_per_pixel(self) -> float:
        """Bits per pixel of the input image."""
        return self.bytes * 8 / self.pixels

    @property
    def bits_per_element(self) -> float:
        """Bits per element of the features."""
        return self.bytes * 8 / self.elements


@dataclass(frozen=True)
class Sizes:
    """Where the bytes of one way of sending go, means per image: columns of a selection archive.

    Attributes:
        header: of the stream.
        fixed: the same in every image's stream, so that it could be deployed once: HEVC's parameter sets, say.
        payload: everything else. As the header takes in the first bytes of a code (`moo_fs.codecs.interface`), it is
            what would lie beyond the header if `fixed` were deployed.
        base: of the payload, that of the base of soft selection; NaN where there is none.
        nominal: what the values that are sent take at their nominal depth without entropy coding; NaN if they have
            none.
    """

    header: float
    fixed: float
    payload: float
    base: float = float("nan")
    nominal: float = float("nan")

    def columns(self) -> dict[str, float]:
        """As columns. Which channels are sent is fixed by the fit part and deployed, so that no stream has a mask."""
        return {
            "nominal_bytes": self.nominal,
            "header_bytes": self.header,
            "mask_bytes": 0.0,
            "fixed_bytes": self.fixed,
            "base_bytes": self.base,
            "payload_bytes": self.payload,
        }


@dataclass(frozen=True)
class Item:
    """A part of what the receiver needs; `deployed` once, or counted with every image."""

    name: str
    bytes: float
    deployed: bool
    about: str


@dataclass(frozen=True)
class Ledger:
    """The items of one image's stream, or their means over images, beside its nominal and entropy size in bytes.

    `entropy_bytes` includes the header, as every rate does; it is NaN where no table fits what is coded (lossy codecs).
    """

    items: tuple[Item, ...]
    nominal_bytes: float
    entropy_bytes: float

    @property
    def coded_bytes(self) -> float:
        """What is sent with the image: all items that are not deployed."""
        return sum(item.bytes for item in self.items if not item.deployed)

    @property
    def deployed_bytes(self) -> float:
        """What both ends have beforehand."""
        return sum(item.bytes for item in self.items if item.deployed)

    @property
    def per_image_bytes(self) -> float:
        """What would be sent with each image if nothing were deployed."""
        return self.coded_bytes + self.deployed_bytes

    def rows(self) -> list[dict[str, Any]]:
        """The items as table rows: name, bytes, deployed, about."""
        return [asdict(item) for item in self.items]


def deployed_items(cells: Cells, *, code_tables: bool) -> tuple[Item, ...]:
    """What an allocation's `cells` deploy: depths, ranges, reconstructions and code tables, as small as plain arrays.

    Our count: 4 bits a depth; two float32 a channel that is sent; a float32 a level (one for the mean of a channel that
    is not sent); 24 bits a level of a channel that is sent for its frequency, if the codec needs `code_tables`.
    """
    sent = cells.levels > 1
    levels = int(cells.levels[sent].sum())
    return (
        Item("depths", float(-(-cells.channels * BITS_PER_DEPTH // 8)), True, "the allocation, 4 bits a channel"),
        Item("mask", 0.0, True, "which channels are sent: the depths say it"),
        Item(
            "ranges", float(RANGE_BYTES * sent.sum()), True, "offset and scale of the channels that are sent, float32"
        ),
        Item(
            "reconstructions",
            float(CENTROID_BYTES * (levels + (~sent).sum())),
            True,
            "what symbols stand for, and the means of channels that are not sent, float32",
        ),
        Item(
            "code-tables",
            float(CODE_TABLE_BYTES * levels * code_tables),
            True,
            "frequencies on the fit part, 24 bits a level",
        ),
    )


def hard_ledger(
    cells: Cells, bits: Any, *, positions: int, header: int, payload: float, entropy: float, code_tables: bool
) -> Ledger:
    """The ledger of a stream under an allocation bits (channel,) of maps of so many `positions`.

    `header` and `payload` are the stream's bytes, `entropy` the symbols' bytes under the fit part's tables, without
    the header; `code_tables` says whether the codec needs these tables.
    """
    counted = (
        Item("header", float(header), False, "check sum, length, image, first bytes of the code"),
        Item("payload", float(payload), False, "the rest of the code"),
    )
    nominal = float(np.asarray(bits).sum()) * positions / 8
    return Ledger(counted + deployed_items(cells, code_tables=code_tables), nominal, entropy + header)
