"""The file format `.mfs`: a deployment record, which sender and receiver agree on once, and the stream of one image.

Numbers are little-endian and unsigned. A file is

    bytes 0-7      the magic 89 4D 46 53 0D 0A 1A 0A ("MFS" in PNG's dress: it shows a transfer as text)
    bytes 8-9      version of the format, 1
    bytes 10-13    length of the deployment record, n
    bytes 14-17    CRC-32 of bytes 8-13 and of the record
    bytes 18-      the record: n bytes of JSON in UTF-8, the fields of `Deployment`
    then           the stream, to the end of the file

and a stream is a header of 16 bytes, which every rate counts, and a payload:

    bytes 0-3      CRC-32 of the rest of the stream
    bytes 4-7      length of the code
    bytes 8-11     number of the image in its part
    bytes 12-15    the first four bytes of the code, zeros where it is shorter
    bytes 16-      the payload: the rest of the code

Only streams are sent per image; the record is not counted in a rate. Nothing here is trusted: every length of the file
is checked before it is used, nothing is executed, and a record names a subject without being able to load one. How
large a subject its options may make is for the receiver to say (`moo_fs.transmission`).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from moo_fs.codecs.interface import CODE_IN_HEADER, HEADER_BYTES
from moo_fs.coding.cells import BITS_PER_KBIT
from moo_fs.contracts import MAX_BITS, MooFsError
from moo_fs.split import PARTS

MAGIC = b"\x89MFS\r\n\x1a\n"
VERSION = 1
FRONT = struct.Struct("<HI")  # version, length of the record
CHECK = struct.Struct("<I")
HEADER = struct.Struct("<II4s")  # length of the code, image, first bytes of the code
LONGEST_RECORD = 2**20
LONGEST_FILE = 2**28
MOST_VALUES = 2**24
LARGEST_OPTION = 2**16
RESERVED = ("name", "device")
HASH_DIGITS = 64
KBIT_PER_BYTE = 8 / BITS_PER_KBIT


@dataclass(frozen=True)
class Deployment:
    """What the receiver must have beforehand.

    Attributes:
        subject: a registered name, or "file.py:function" (the file's name only) for a user's own.
        options: the subject's options, plain values.
        part: part of the data that the image is of, for the reader's information.
        bits: depth of each channel.
        codec: name of the codec.
        shape: channel, height, width of the features.
        tables: SHA-256 of the allocation's quantiser and code tables.
        heads: SHA-256 of the heads' weights.
    """

    subject: str
    options: Mapping[str, Any]
    part: str
    bits: tuple[int, ...]
    codec: str
    shape: tuple[int, int, int]
    tables: str
    heads: str


@dataclass(frozen=True)
class Stream:
    """The code of one image."""

    image: int
    code: bytes

    @property
    def payload_bytes(self) -> int:
        """Length beyond the header."""
        return max(0, len(self.code) - CODE_IN_HEADER)


def pack(deployment: Deployment, stream: Stream) -> bytes:
    """The content of a file; raises MooFsError if the record is not one that `unpack` takes."""
    record = packed_record(deployment)
    _checked_record(json.loads(record), "the stream")
    front = FRONT.pack(VERSION, len(record))
    return MAGIC + front + CHECK.pack(zlib.crc32(front + record)) + record + packed_stream(stream)


def packed_record(deployment: Deployment) -> bytes:
    """The deployment record's bytes."""
    return json.dumps(asdict(deployment), sort_keys=True, separators=(",", ":")).encode()


def packed_stream(stream: Stream) -> bytes:
    """What is sent for one image: header and payload."""
    rest = HEADER.pack(len(stream.code), stream.image, stream.code[:CODE_IN_HEADER]) + stream.code[CODE_IN_HEADER:]
    return CHECK.pack(zlib.crc32(rest)) + rest


def unpack(content: bytes, name: str) -> tuple[Deployment, Stream]:
    """The two halves of a file's content; raises MooFsError, which opens with `name`, unless it is whole."""
    if not content.startswith(MAGIC):
        cut = bool(content) and MAGIC.startswith(content)
        what = "is cut off" if cut else "is empty" if not content else "is no .mfs file"
        raise MooFsError(f"{name}: {what}; wanted a file that moo-fs encode wrote")
    at = len(MAGIC) + FRONT.size
    front, check = content[len(MAGIC) : at], content[at : at + CHECK.size]
    if len(check) < CHECK.size:
        raise _cut(name)
    version, length = FRONT.unpack(front)
    if version > VERSION:
        raise MooFsError(f"{name}: has format {version}, or is damaged; this release reads {VERSION}: update moo-fs")
    record = content[at + CHECK.size : at + CHECK.size + length]
    if len(record) < length:
        raise _cut(name)
    if length > LONGEST_RECORD or version < VERSION or CHECK.unpack(check)[0] != zlib.crc32(front + record):
        raise _damaged(name, "its deployment record")
    return _read_record(record, name), _read_stream(content[at + CHECK.size + length :], name)


def read(path: Path) -> tuple[Deployment, Stream]:
    """The two halves of a file; raises MooFsError if it cannot be read or is not whole."""
    try:
        if path.stat().st_size > LONGEST_FILE:
            raise MooFsError(f"{path}: is larger than any .mfs file ({LONGEST_FILE} bytes); choose another file")
        content = path.read_bytes()
    except OSError as error:
        raise MooFsError(
            f"{path}: cannot be read ({error.strerror}); wanted a file that moo-fs encode wrote"
        ) from error
    return unpack(content, str(path))


def is_option(key: str) -> bool:
    """Whether an option may be called so: none names the subject itself or its device."""
    return key.isidentifier() and key not in RESERVED


def _read_stream(content: bytes, name: str) -> Stream:
    if len(content) < HEADER_BYTES:
        raise _cut(name)
    rest = content[CHECK.size :]
    length, image, first = HEADER.unpack(rest[: HEADER.size])
    payload = rest[HEADER.size :]
    code = first[:length] + payload
    if len(code) < length:
        raise _cut(name)
    if len(code) > length or any(first[length:]) or CHECK.unpack(content[: CHECK.size])[0] != zlib.crc32(rest):
        raise _damaged(name, "its stream")
    return Stream(image, code)


def _read_record(record: bytes, name: str) -> Deployment:
    try:
        found = json.loads(record.decode())
    except (ValueError, RecursionError) as error:
        raise _damaged(name, "its deployment record") from error
    return _checked_record(found, name)


def _checked_record(found: Any, name: str) -> Deployment:
    """The record's fields, each of its type and within bounds; more or other fields are refused."""
    wanted = {field.name for field in fields(Deployment)}
    if not isinstance(found, dict) or set(found) != wanted:
        raise _wrong(name, "fields", ", ".join(sorted(wanted)))
    for key in ("subject", "codec"):
        if not isinstance(found[key], str) or not 0 < len(found[key]) <= 200 or not found[key].isprintable():
            raise _wrong(name, key, "a name")
    for key in ("tables", "heads"):
        if not isinstance(found[key], str) or len(found[key]) != HASH_DIGITS:
            raise _wrong(name, key, "a SHA-256 in hex")
    if found["part"] not in PARTS:
        raise _wrong(name, "part", " or ".join(PARTS))
    shape = found["shape"]
    if not _whole(shape, 1, MOST_VALUES) or len(shape) != 3 or shape[0] * shape[1] * shape[2] > MOST_VALUES:
        raise _wrong(name, "shape", f"channel, height and width of at most {MOST_VALUES} values")
    if not _whole(found["bits"], 0, MAX_BITS) or len(found["bits"]) != shape[0]:
        raise _wrong(name, "bits", f"{shape[0]} whole numbers from 0 to {MAX_BITS}")
    options = found["options"]
    if not isinstance(options, dict) or not all(is_option(key) and _plain(one) for key, one in options.items()):
        raise _wrong(name, "options", f"names of options and plain values, numbers to {LARGEST_OPTION} at most")
    return Deployment(**found | {"bits": tuple(found["bits"]), "shape": tuple(shape)})


def _whole(values: Any, least: int, most: int) -> bool:
    return isinstance(values, list) and all(type(one) is int and least <= one <= most for one in values)


def _plain(value: Any) -> bool:
    """Whether a value may be an option: no nesting, and no number beyond all use."""
    return isinstance(value, str | bool) or (isinstance(value, int | float) and abs(value) <= LARGEST_OPTION)


def _cut(name: str) -> MooFsError:
    return MooFsError(f"{name}: is cut off or damaged; encode it again, or transfer it again")


def _damaged(name: str, where: str) -> MooFsError:
    return MooFsError(
        f"{name}: {where} is damaged: it does not fit its check sum; encode it again, or transfer it again"
    )


def _wrong(name: str, key: str, wanted: str) -> MooFsError:
    return MooFsError(f"{name}: deployment record: {key}: wanted {wanted}; encode it again")
