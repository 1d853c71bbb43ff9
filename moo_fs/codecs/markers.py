"""Markers of JPEG and JPEG-LS files, whose segments say how long they are (ITU-T T.81, annex B; ISO/IEC 14495-1)."""

from __future__ import annotations

START_OF_IMAGE = b"\xff\xd8"
HUFFMAN_TABLES, START_OF_SCAN = 0xC4, 0xDA
MARKER_BYTES = 2


def bytes_before_scan(file: bytes) -> int:
    """Bytes up to the first scan's data that are alike in files of one size and setting.

    Start of image, segments and the scan's header, but no Huffman tables: where these are optimised each file has its
    own. `file` is whole and begins with its start of image.
    """
    at = found = len(START_OF_IMAGE)
    while True:
        marker = file[at + 1]
        length = MARKER_BYTES + int.from_bytes(file[at + MARKER_BYTES : at + 2 * MARKER_BYTES], "big")
        found += length if marker != HUFFMAN_TABLES else 0
        at += length
        if marker == START_OF_SCAN:
            return found
