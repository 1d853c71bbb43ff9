"""Codecs for pictures: the mosaic by its definition, and what a foreign or careless picture must not do."""

import io
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from moo_fs import MooFsError
from moo_fs.codecs.hevc_coder import decode_pictures
from moo_fs.codecs.markers import bytes_before_scan
from moo_fs.codecs.mosaic import grid, mosaic, size, tiles_of, tiles_of_all
from moo_fs.codecs.pictures import Hevc, HevcSequence, Png
from moo_fs.codecs.still_pictures import JpegLs, JpegXl
from moo_fs.coding.quantiser import fit_tables

CODECS = [Png, Hevc, HevcSequence, JpegXl, JpegLs]


def cells_of(bits, side=8):
    maps = np.random.default_rng(0).random((6, len(bits), side, side)).astype(np.float32)
    return fit_tables(maps).select(np.array(bits)), maps


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 16, 17])
@pytest.mark.parametrize("least", [1, 16])
def test_tiles_lie_row_by_row_and_come_back(count, least):
    tiles = np.random.default_rng(count).integers(0, 256, (count, 3, 5)).astype(np.uint8)
    picture, (rows, columns) = mosaic(tiles, least=least), grid(count)
    assert picture.shape == size(tiles.shape, least=least)
    assert rows * columns >= count > (rows - 1) * columns
    for at, tile in enumerate(tiles):
        row, column = divmod(at, columns)
        np.testing.assert_array_equal(picture[3 * row : 3 * row + 3, 5 * column : 5 * column + 5], tile)
    np.testing.assert_array_equal(tiles_of(picture, tiles.shape), tiles)
    assert picture.sum() == tiles.sum()


@pytest.mark.parametrize("codec", CODECS)
def test_all_256_levels_of_grey_survive(codec):
    cells, _ = cells_of([8, 8], side=16)
    ladder = np.tile(np.arange(256, dtype=np.uint8).reshape(16, 16), (2, 1, 1))
    coder = codec(cells)
    np.testing.assert_array_equal(coder.decode(coder.encode(ladder), ladder.shape), ladder)


def test_a_sequence_is_decoded_in_its_order_and_takes_less_where_images_are_alike():
    cells, maps = cells_of([8, 0, 8], side=16)
    symbols = cells.symbols(np.repeat(maps[:1], 4, axis=0))
    coder = HevcSequence(cells)
    found = tiles_of_all(decode_pictures(coder.codes(symbols)), (2, 16, 16))
    np.testing.assert_array_equal(found, symbols[:, [0, 2]])
    sizes = coder.payload_bytes(symbols)
    assert sizes[0] == pytest.approx(len(Hevc(cells).encode(symbols[0])) - 4, abs=2)  # a first picture is coded alone
    assert max(sizes[1:]) < 0.1 * sizes[0]
    assert coder.encode(symbols[2]) == coder.codes(symbols[2:])[0]


def test_what_stands_before_a_scan_is_counted_without_huffman_tables():
    """Start 2; tables of 5 and 4 bytes beside their markers, Huffman's among them; the scan's header of 6; data."""
    front = b"\xff\xd8" + b"\xff\xdb\0\5abc" + b"\xff\xc4\0\4de" + b"\xff\xda\0\6fghi"
    assert bytes_before_scan(front + b"\xff\xda data") == 2 + 7 + 8


def test_no_text_about_settings_is_sent():
    cells, maps = cells_of([1, 0, 2])
    code = Hevc(cells).encode(cells.symbols(maps)[0])
    assert b"x265" not in code
    assert len(code) < 300


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("code", [b"", b"\0" * 40, b"not a picture at all", bytes(range(256))])
def test_foreign_bytes_are_refused(codec, code):
    cells, _ = cells_of([1, 0, 2])
    with pytest.raises(MooFsError, match="the code is damaged"):
        codec(cells).decode(code, (3, 8, 8))


def test_a_picture_of_another_size_mode_or_with_pixels_beyond_its_tiles_is_refused():
    cells, maps = cells_of([1, 1, 1])
    coder, symbols = Png(cells), cells.symbols(maps)[0]

    def png(array, mode="L"):
        content = io.BytesIO()
        Image.fromarray(array).convert(mode).save(content, format="PNG")
        return content.getvalue()

    picture = mosaic(symbols)
    np.testing.assert_array_equal(coder.decode(png(picture), symbols.shape), symbols)
    beyond = picture.copy()
    beyond[-1, -1] = 1
    for code, told in (
        (png(picture[:8]), "wanted a grey picture of"),
        (png(picture, "RGB"), "wanted a grey picture of"),
        (png(beyond), "something lies beyond its tiles"),
    ):
        with pytest.raises(MooFsError, match=told):
            coder.decode(code, symbols.shape)
    with pytest.raises(MooFsError, match="wanted 0 to 1 in channel 0, got 2"):
        coder.decode(png(mosaic(np.full((3, 8, 8), 2, np.uint8))), (3, 8, 8))


@pytest.mark.parametrize("side", [4_000, 60_000])
def test_a_small_file_that_says_it_is_huge_is_refused_before_it_is_unpacked(side):
    def chunk(name, content):
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    code = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    cells, _ = cells_of([1, 0, 2])
    with pytest.raises(MooFsError, match="the code is damaged"):
        Png(cells).decode(code, (3, 8, 8))


def test_without_pyav_the_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    cells, _ = cells_of([1])
    with pytest.raises(MooFsError, match=r"codec 'hevc': needs PyAV; install the extra: pip install 'moo-fs\[hevc\]'"):
        Hevc(cells)


@pytest.mark.parametrize("codec", CODECS)
def test_a_cut_picture_and_one_of_another_size_are_refused(codec):
    cells, maps = cells_of([8, 8, 8], side=16)
    few, _ = cells_of([8], side=16)
    code = codec(cells).encode(cells.symbols(maps)[0])
    for coder, damaged, shape in ((codec(cells), code[:-40], (3, 16, 16)), (codec(few), code, (1, 16, 16))):
        with pytest.raises(MooFsError, match="the code is damaged"):
            coder.decode(damaged, shape)


@pytest.mark.parametrize("codec", [JpegXl, JpegLs])
def test_a_picture_of_another_size_is_refused_before_it_is_unpacked(codec):
    (cells, maps), (few, _) = cells_of([8, 8, 8], side=16), cells_of([8], side=16)
    code = codec(cells).encode(cells.symbols(maps)[0])
    with pytest.raises(MooFsError, match=r"it is no grey picture of \(16, 16\)"):
        codec(few).decode(code, (1, 16, 16))


def test_a_jpeg_ls_code_that_says_it_is_huge_is_refused_and_none_has_spiff():
    cells, maps = cells_of([1, 0, 2])
    code = JpegLs(cells).encode(cells.symbols(maps)[0])
    assert code.startswith(b"\xff\xd8\xff\xf7")  # start of image, start of frame (ISO/IEC 14495-1, C.1.1)
    assert b"SPIFF" not in code
    huge = code[:7] + b"\xea\x60\xea\x60" + code[11:]  # 60000 x 60000
    with pytest.raises(MooFsError, match="the code is damaged"):
        JpegLs(cells).decode(huge, (3, 8, 8))


def test_jpeg_xl_is_a_bare_codestream():
    cells, maps = cells_of([1, 0, 2])
    assert JpegXl(cells).encode(cells.symbols(maps)[0]).startswith(b"\xff\x0a")  # ISO/IEC 18181-2: no boxes


@pytest.mark.parametrize(("codec", "name"), [(JpegXl, "jpeg-xl"), (JpegLs, "jpeg-ls")])
def test_without_imagecodecs_the_sentence_names_the_extra(monkeypatch, codec, name):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    cells, _ = cells_of([1])
    told = rf"codec '{name}': needs imagecodecs; install the extra: pip install 'moo-fs\[imagecodecs\]'"
    with pytest.raises(MooFsError, match=told):
        codec(cells)
