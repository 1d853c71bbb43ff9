"""The rivals of sending features: the input image itself, as JPEG or as an HEVC intra picture, and what comes out.

Both go over Y'CbCr as JPEG's JFIF does it (ITU-R BT.601, full range), by Pillow. For HEVC the chroma planes are halved
by the mean of four and brought back bicubically. Whether they are halved is for the caller to say, or `chroma=None`
for what served the rival best in squared error on two photographs: full chroma (4:4:4) at QPs below 30 and at JPEG
qualities of 90 and more, where it is worth .3-4 dB at the same size, half (4:2:0) where coding is coarser, worth .2-.7
dB there. Red, green and blue coded as such need 1.5 times the bytes. (Our measurement and our choice: scikit-learn's
two sample photographs at 320 and 128 pixels.)

Sizes are of all that a receiver needs: a JPEG file as it is, with optimised Huffman tables, and HEVC packets without
a container. Images are (image, height, width, 3) uint8, red, green, blue.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moo_fs.codecs.hevc_coder import SMALLEST, code_planes, decode_planes
from moo_fs.contracts import MooFsError, did_you_mean

CHROMA = ("420", "444")
HALVED_FROM_QP = 30
FULL_FROM_QUALITY = 90
Images = NDArray[np.uint8]


def jpeg(images: Any, quality: int, *, chroma: str | None = None) -> tuple[list[bytes], Images]:
    """One JPEG file an image at `quality` 1 to 100 (of libjpeg's tables; Pillow), and the images that come out.

    Raises MooFsError for other arrays, qualities and chroma.
    """
    array = _checked(images)
    if not 1 <= quality <= 100:
        raise MooFsError(f"quality: wanted 1 to 100, got {quality}")
    halved = _chroma(chroma, "444" if quality >= FULL_FROM_QUALITY else "420") == "420"
    files = [_jpeg(image, quality, 2 if halved else 0) for image in array]
    return files, np.stack([np.asarray(Image.open(io.BytesIO(file), formats=["JPEG"])) for file in files])


def hevc_colour(images: Any, qp: int | None, *, chroma: str | None = None) -> tuple[list[bytes], Images]:
    """One HEVC packet an image at a constant `qp` (None: lossless planes), and the images that come out.

    See `moo_fs.codecs.hevc_coder.code_pictures` for `qp`. Sides are continued to even numbers of 16 or
    more by their last pixels, which are coded and cut off again. Raises MooFsError as that does.
    """
    array = _checked(images)
    halved = _chroma(chroma, "444" if qp is None or qp < HALVED_FROM_QP else "420") == "420"
    layout = "yuv420p" if halved else "yuv444p"
    height, width = array.shape[1:3]
    padding = [(0, max(side + side % 2, SMALLEST) - side) for side in (height, width)]
    padded = np.pad(array, [(0, 0), *padding, (0, 0)], mode="edge")
    planes = np.stack([_planes(image, halved=halved) for image in padded])
    codes = code_planes(planes, layout=layout, qp=qp)
    size = padded.shape[1], padded.shape[2]
    decoded = [_image(one, size, halved=halved) for one in decode_planes(codes, layout=layout)]
    return codes, np.ascontiguousarray(np.stack(decoded)[:, :height, :width])


def _jpeg(image: Images, quality: int, subsampling: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, format="JPEG", quality=quality, optimize=True, subsampling=subsampling)
    return content.getvalue()


def _planes(image: Images, *, halved: bool) -> Images:
    """Planes one below the other (row, width), see `code_planes`."""
    height, width = image.shape[:2]
    luma, *chroma = Image.fromarray(image).convert("YCbCr").split()
    if halved:
        chroma = [plane.resize((width // 2, height // 2), Image.Resampling.BOX) for plane in chroma]
    return np.concatenate([np.asarray(plane).ravel() for plane in (luma, *chroma)]).reshape(-1, width)


def _image(planes: Images, size: tuple[int, int], *, halved: bool) -> Images:
    """The image (height, width, 3) of `size` of planes one below the other."""
    height, width = size
    luma, blue, red = np.split(planes.ravel(), np.cumsum([height * width, height * width // (4 if halved else 1)]))
    small = (height // 2, width // 2) if halved else size
    chroma = [Image.fromarray(plane.reshape(small)) for plane in (blue, red)]
    if halved:
        chroma = [plane.resize((width, height), Image.Resampling.BICUBIC) for plane in chroma]
    merged = Image.merge("YCbCr", [Image.fromarray(luma.reshape(size)), *chroma])
    return np.asarray(merged.convert("RGB"))


def _checked(images: Any) -> Images:
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or not array.size:
        raise MooFsError(f"images: wanted uint8 with axes (image, height, width, 3), got {array.dtype} {array.shape}")
    return array


def _chroma(wanted: str | None, otherwise: str) -> str:
    if wanted is not None and wanted not in CHROMA:
        raise MooFsError(f"no chroma '{wanted}'{did_you_mean(wanted, CHROMA)}")
    return wanted or otherwise
