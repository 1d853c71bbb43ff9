"""Pictures to HEVC packets and back (ITU-T H.265; libx265 by PyAV, the extra `hevc`), lossless or at one constant QP.

What is coded is what the receiver gets: grey pictures stay grey (a way over yuv420p would make 220 levels of 256), the
packets have no container around them, and `info=0` keeps 2.3 kB of text on the settings out of every intra picture.
The parameter sets, 78 to 80 bytes, are part of every picture coded alone and of the first packet of a sequence, and
are counted; those of pictures of one size at one QP are alike. `ipratio` and `pbratio` are 1, so that each picture has
the QP asked for; by default x265 gives intra pictures one that is 3 less.

Our choices: preset medium (a 128 x 128 picture takes 5 to 8 ms; slow takes twice that for 2-4 % fewer bytes, ultrafast
a third at the same size but 20 % more bytes where it is lossless), one thread, and in a sequence no bidirectional
pictures: each packet can be sent, and shown, before the next picture is taken. An encoder's context serves one picture
or one sequence only; used again it is 1 ms faster, but a picture's bytes then depend on those before it.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moo_fs.contracts import MooFsError

# Pictures smaller than libx265's smallest block are refused.
SMALLEST = 16
LARGEST_QP = 51
ALONE = "info=0:keyint=1:log-level=none:pools=none:frame-threads=1"
IN_SEQUENCE = "info=0:keyint=-1:scenecut=0:bframes=0:log-level=none:pools=none:frame-threads=1"
# Rows of an array of planes, one below the other, per row of the picture.
ROWS = {"gray": Fraction(1), "yuv420p": Fraction(3, 2), "yuv444p": Fraction(3)}
START = b"\0\0\1"
PARAMETER_SETS = (32, 33, 34)  # of video, sequence and picture: ITU-T H.265, table 7-1
Pictures = NDArray[np.uint8]


def code_pictures(pictures: Any, *, qp: int | None, sequence: bool = False) -> list[bytes]:
    """The codes, one a picture, of grey pictures (picture, height, width) uint8 with sides of 16 or more.

    `qp` is the quantisation parameter of every block, 0 (finest, not lossless) to 51, or None: lossless. Each picture
    is coded alone, or, with `sequence`, after the first one predicted from those before it; then a code can be decoded
    after all codes before it only. Raises MooFsError for other arrays or QPs, and without PyAV.
    """
    return code_planes(pictures, layout="gray", qp=qp, sequence=sequence)


def decode_pictures(codes: list[bytes]) -> Pictures:
    """The pictures (picture, height, width) uint8 of codes in the order of `code_pictures`, alone or a sequence.

    Raises MooFsError for codes that are not of grey pictures of one size, one a code.
    """
    return decode_planes(codes, layout="gray")


def code_planes(planes: Any, *, layout: str, qp: int | None, sequence: bool = False) -> list[bytes]:
    """See `code_pictures`; colour as planes one below the other: luma, then both chroma planes.

    Layout "yuv444p" is 3 heights of rows; "yuv420p" 3/2, the chroma planes unrolled to the picture's width.
    """
    array = _checked(planes, layout)
    _check_qp(qp)
    av = pyav()
    batches = [array] if sequence else [array[at : at + 1] for at in range(len(array))]
    parameters = ("lossless=1" if qp is None else f"qp={qp}:ipratio=1:pbratio=1") + ":"
    parameters += IN_SEQUENCE if sequence else ALONE
    return [code for batch in batches for code in _packets(av, batch, layout, parameters)]


def decode_planes(codes: list[bytes], *, layout: str) -> Pictures:
    """See `decode_pictures`; planes as `code_planes` takes them."""
    av = pyav()
    if not codes or not all(codes):
        raise MooFsError("hevc: wanted codes of pictures, one each, got none or an empty one; encode again")
    coder = av.CodecContext.create("hevc", "r")
    coder.thread_count = 1
    try:
        frames = [frame for code in codes for frame in coder.decode(av.Packet(code))] + coder.decode(None)
    except (av.FFmpegError, ValueError) as error:
        raise MooFsError("hevc: the codes are damaged and no pictures; encode again") from error
    found = {(frame.format.name, frame.height, frame.width) for frame in frames}
    if len(frames) != len(codes) or len(found) != 1 or found.pop()[0] != layout:
        raise MooFsError(f"hevc: wanted {len(codes)} pictures of one size and layout '{layout}'; encode again")
    return np.stack([frame.to_ndarray().reshape(-1, frame.width) for frame in frames])


def parameter_bytes(code: bytes) -> int:
    """Bytes of a code's parameter sets, start codes included; 0 for one without any.

    Units begin with 00 00 01, which occurs nowhere in them, and zeros before it are the next one's, as no unit ends
    with a zero; their type is six bits of the next byte (ITU-T H.265, 7.3.1 and annex B).
    """
    units = list(re.finditer(b"\0*" + START, code))
    places = [unit.start() for unit in units] + [len(code)]
    sizes = [after - start for start, after in pairwise(places)]
    kinds = [code[unit.end()] >> 1 & 63 for unit in units]
    return sum(size for size, kind in zip(sizes, kinds, strict=True) if kind in PARAMETER_SETS)


def encoder_version() -> str:
    """What libx265 calls itself in the text that it writes into a picture unless told not to: "4.1", say."""
    av, blank = pyav(), np.zeros((1, SMALLEST, SMALLEST), np.uint8)
    (code,) = _packets(av, blank, "gray", ALONE.replace("info=0", "info=1"))
    found = re.search(rb"x265 \(build \d+\) - ([^:\s]+)", code)
    return found[1].decode() if found else "unknown"


def pyav() -> Any:
    """The library; raises MooFsError, which names the extra, where it is missing."""
    try:
        import av
    except ImportError as error:
        raise MooFsError("codec 'hevc': needs PyAV; install the extra: pip install 'moo-fs[hevc]'") from error
    av.logging.set_level(av.logging.PANIC)
    return av


def _packets(av: Any, planes: Pictures, layout: str, parameters: str) -> list[bytes]:
    """One packet a picture: without bidirectional pictures none overtakes another."""
    coder = av.CodecContext.create("libx265", "w")
    coder.height, coder.width = int(planes.shape[1] / ROWS[layout]), planes.shape[2]
    coder.pix_fmt, coder.time_base = layout, Fraction(1, 25)
    coder.options = {"x265-params": parameters, "preset": "medium"}
    packets: list[bytes] = []
    separate = (3, coder.height, coder.width) if layout == "yuv444p" else planes.shape[1:]
    for at, picture in enumerate(planes):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture).reshape(separate), format=layout)
        frame.pts = at
        packets += map(bytes, coder.encode(frame))
    return packets + [bytes(packet) for packet in coder.encode(None)]


def _checked(planes: Any, layout: str) -> Pictures:
    array = np.asarray(planes)
    if array.dtype != np.uint8 or array.ndim != 3 or not len(array):
        raise MooFsError(f"pictures: wanted uint8 with axes (picture, height, width), got {array.dtype} {array.shape}")
    sides = int(array.shape[1] / ROWS[layout]), array.shape[2]
    if min(sides) < SMALLEST:
        raise MooFsError(f"pictures: wanted sides of {SMALLEST} pixels or more, got {sides[0]} x {sides[1]}; pad them")
    return array


def _check_qp(qp: int | None) -> None:
    if qp is not None and not (isinstance(qp, int) and not isinstance(qp, bool) and 0 <= qp <= LARGEST_QP):
        raise MooFsError(f"qp: wanted a whole number from 0 to {LARGEST_QP}, or None for lossless, got {qp!r}")
