"""Faults seen in programs that report rates, each with a test that it is not one of ours.

See also: 256 levels and text in lossless pictures (test_picture_codecs), steps that round about zero (test_quantiser),
units (test_ledger), foreign files (test_streams).
"""

import pickle

import numpy as np
import pytest

from moo_fs import registry
from moo_fs.codecs.hevc_coder import code_pictures, decode_pictures, pyav
from moo_fs.codecs.interface import HEADER_BYTES, coded_bytes
from moo_fs.codecs.photographs import hevc_colour, jpeg
from moo_fs.codecs.soft import one_qp, soft
from moo_fs.coding.quantiser import fit_tables
from moo_fs.ledger import Rate, deployed_items
from moo_fs.streams import Stream, packed_stream

STREAMS = [name for name in registry.codecs.names() if registry.codecs.load(name).makes_stream]
ALONE = [name for name in STREAMS if name != "hevc-sequence"]  # whose images do not depend on those before
CONTAINERS = (b"ftyp", b"matroska", b"JXL ", b"SPIFF", b"RIFF", b"PK\x03\x04")


def maps_of(images=4, channels=5, side=16, *, seed=0):
    return np.random.default_rng(seed).random((images, channels, side, side)).astype(np.float32)


def grey(count=3, side=32):
    return np.random.default_rng(1).integers(0, 256, (count, side, side)).astype(np.uint8)


def colour():
    return np.random.default_rng(2).integers(0, 256, (2, 32, 48, 3)).astype(np.uint8)


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("qp", [None, 5, 51])
def test_no_text_about_settings_in_any_hevc_packet(qp, sequence):
    """x265 writes 2.3 kB of it into every intra picture unless told not to."""
    flat = np.full((3, 16, 16), 9, np.uint8)
    codes = code_pictures(flat, qp=qp, sequence=sequence)
    codes += hevc_colour(np.full((2, 16, 16, 3), 9, np.uint8), qp)[0]
    for code in codes:
        assert b"x265" not in code
        assert len(code) < 150


def test_grey_never_goes_over_limited_range():
    """The trap is real: by way of yuv420p 256 levels become 220. Here each stays its own, lossy coding included."""
    ladder = np.repeat(np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16), 16, 0), 16, 1)
    frame = pyav().VideoFrame.from_ndarray(ladder, format="gray")
    assert len(np.unique(frame.reformat(format="yuv420p").to_ndarray()[:256])) == 220
    found = decode_pictures(code_pictures(ladder[None], qp=1))[0]
    assert np.abs(found.astype(int) - ladder).max() <= 1
    assert (found.min(), found.max()) == (0, 255)


@pytest.mark.parametrize("side", [1, 3, 8, 15])
@pytest.mark.parametrize("codec", STREAMS)
def test_tiles_and_pictures_below_16_pixels_are_coded(codec, side):
    cells = fit_tables(maps_of(side=side)).select(np.array([0, 1, 0, 3, 8]))
    symbols = cells.symbols(maps_of(side=side, seed=1))
    coder = registry.codecs.load(codec)(cells)
    np.testing.assert_array_equal(coder.decode(coder.encode(symbols[0]), symbols.shape[1:]), symbols[0])


@pytest.mark.parametrize("side", [1, 3, 15])
def test_soft_mosaics_below_16_pixels_are_coded(side):
    symbols = np.random.default_rng(0).integers(0, 256, (2, 2, side, side)).astype(np.uint8)
    np.testing.assert_array_equal(one_qp(symbols, None).symbols, symbols)
    coded = soft(symbols, np.array([True, False]), base_qp=None, enhancement_qp=None)
    np.testing.assert_array_equal(coded.symbols, symbols)


def test_scaling_is_by_the_range_and_not_by_the_maximum():
    """Values of 10 to 11 in 256 cells are less than 1 / 256 off; cells of 11 / 256 would lose up to 5.5 times that."""
    maps = 10 + maps_of()
    for mode in ("minmax", "mse"):
        cells = fit_tables(maps, mode=mode).depth(8)
        assert np.abs(cells.dequantise(maps) - maps).max() < 1 / 256
        assert (np.ptp(cells.symbols(maps), axis=(0, 2, 3)) > 240).all()


@pytest.mark.parametrize("depth", [2, 4, 6])
def test_a_uniform_value_loses_a_twelfth_of_the_squared_cell_and_not_a_third(depth):
    """Reconstruction in the middle: width^2 / 12; at the lower edge, as floor without an offset does: width^2 / 3."""
    maps = maps_of(16, 2, 32)
    for mode in ("minmax", "mse"):
        lost = ((fit_tables(maps, mode=mode).depth(depth).dequantise(maps).astype(float) - maps) ** 2).mean()
        assert lost == pytest.approx(4.0**-depth / 12, rel=0.05)


def test_ranges_are_the_fit_parts_and_another_part_is_clipped_to_them():
    """Ranges of the part that is sent would have to be sent too."""
    for mode in ("minmax", "mse"):
        cells = fit_tables(maps_of(), mode=mode).depth(4)
        others = 3 * maps_of(seed=3) - 1
        alone = np.concatenate([cells.symbols(one[None]) for one in others])
        np.testing.assert_array_equal(cells.symbols(others), alone)
        assert cells.dequantise(others).max() <= maps_of().max()
        assert cells.dequantise(others).min() >= maps_of().min()


def test_ranges_tables_and_depths_are_in_the_ledger():
    cells = fit_tables(maps_of()).depth(4)
    sizes = {item.name: item.bytes for item in deployed_items(cells, code_tables=True)}
    assert all(sizes[name] > 0 for name in ("depths", "ranges", "reconstructions", "code-tables"))


@pytest.mark.parametrize("codec", ALONE)
def test_a_rate_is_of_bytes_that_are_sent_without_pickle_or_container(codec):
    cells = fit_tables(maps_of()).depth(4)
    symbols = cells.symbols(maps_of(seed=4))
    coder = registry.codecs.load(codec)(cells)
    codes = [coder.encode(one) for one in symbols]
    sent = [packed_stream(Stream(at, code)) for at, code in enumerate(codes)]
    assert coded_bytes(coder, symbols) == np.mean([len(one) for one in sent])
    assert [len(one) for one in sent] == [HEADER_BYTES + len(code) - 4 for code in codes]
    for code in codes:
        assert not any(mark in code for mark in CONTAINERS)
        with pytest.raises(Exception):  # noqa: B017 of whatever kind: it is no pickle
            pickle.loads(code)


def test_packets_and_photographs_have_no_container_either():
    for code in code_pictures(grey(), qp=20) + hevc_colour(colour(), 30)[0]:
        assert code.startswith((b"\0\0\0\1", b"\0\0\1"))  # ITU-T H.265, annex B
        assert not any(mark in code for mark in CONTAINERS)
    for file in jpeg(colour(), 70)[0]:
        assert (file[:2], file[-2:]) == (b"\xff\xd8", b"\xff\xd9")


def test_each_image_keeps_its_own_size_and_symbols_in_any_order():
    """Image and size are paired by what they are, not by where they stand in a list."""
    symbols = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16)).astype(np.uint8)
    symbols[1] //= 16
    symbols[3] = 7
    order = np.array([2, 0, 3, 1])
    coded, shuffled = one_qp(symbols, 20), one_qp(symbols[order], 20)
    assert len(set(coded.coded_bytes)) == 4
    np.testing.assert_array_equal(shuffled.coded_bytes, coded.coded_bytes[order])
    np.testing.assert_array_equal(shuffled.symbols, coded.symbols[order])
    cells = fit_tables(maps_of()).depth(3)
    for codec in ALONE:
        coder, sent = registry.codecs.load(codec)(cells), symbols[:, [0, 1, 2, 0, 1]] % 8
        np.testing.assert_array_equal(coder.payload_bytes(sent[order]), coder.payload_bytes(sent)[order])


def test_bits_per_pixel_are_of_the_image_before_padding():
    """17 x 33 pixels are coded as 18 x 34, which would make the rate look 8 % smaller."""
    image = np.random.default_rng(0).integers(0, 256, (1, 17, 33, 3)).astype(np.uint8)
    codes, found = hevc_colour(image, 20)
    rate = Rate(len(codes[0]), elements=image.size, pixels=found.shape[1] * found.shape[2])
    assert rate.bits_per_pixel == len(codes[0]) * 8 / 561
    assert rate.kbit == pytest.approx(rate.kilobytes * 8)
    assert rate.bits_per_element * image.size == pytest.approx(rate.bits_per_pixel * 561)
