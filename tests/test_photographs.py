"""The input image as a rival: JPEG and HEVC as they would be sent, and what comes out of them."""

import io

import numpy as np
import pytest
from PIL import Image

from moo_fs import MooFsError
from moo_fs.codecs.markers import bytes_before_scan
from moo_fs.codecs.photographs import hevc_colour, jpeg


def images(count=2, height=40, width=56, *, seed=0):
    """Smooth shades with an edge in colour."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:height, :width]
    waves = rng.uniform(5, 15, (count, 3, 1, 1))
    shades = 120 + 70 * np.sin(row / waves) * np.cos(column / waves) + rng.normal(0, 3, (count, 3, height, width))
    shades[:, 0, :, width // 2 :] += 50
    return np.clip(shades, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def error(found, wanted):
    return ((found.astype(float) - wanted) ** 2).mean()


def test_a_jpeg_is_the_file_as_it_is():
    shown = images()
    files, found = jpeg(shown, 80)
    for file, image in zip(files, found, strict=True):
        assert file.startswith(b"\xff\xd8")
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file))), image)
    assert found.shape == shown.shape
    assert found.dtype == np.uint8


@pytest.mark.parametrize("chroma", [None, "420", "444"])
def test_finer_settings_take_more_bytes_and_lose_less(chroma):
    shown = images()
    for coder, settings in ((jpeg, (10, 40, 70, 95)), (hevc_colour, (45, 34, 22, 10))):
        coded = [coder(shown, setting, chroma=chroma) for setting in settings]
        assert (np.diff([sum(map(len, codes)) for codes, _ in coded]) > 0).all()
        assert (np.diff([error(found, shown) for _, found in coded]) < 0).all()


def test_halved_chroma_is_smaller_and_loses_colour_but_keeps_grey():
    shown = images()
    for coder, fine in ((jpeg, 95), (hevc_colour, 5)):
        (half, blurred), (full, sharp) = coder(shown, fine, chroma="420"), coder(shown, fine, chroma="444")
        assert sum(map(len, half)) < sum(map(len, full))
        assert error(sharp, shown) < 0.8 * error(blurred, shown)
        grey = np.repeat(shown[..., 1:2], 3, axis=3)
        assert error(coder(grey, fine, chroma="420")[1], grey) < 0.5 * error(blurred, shown)


def test_chroma_is_chosen_by_the_setting():
    shown = images()
    for coder, setting, chosen in ((jpeg, 89, "420"), (jpeg, 90, "444"), (hevc_colour, 30, "420")):
        assert coder(shown, setting)[0] == coder(shown, setting, chroma=chosen)[0]
    assert hevc_colour(shown, 29)[0] == hevc_colour(shown, 29, chroma="444")[0]


@pytest.mark.parametrize("size", [(17, 33), (5, 7), (16, 16)])
@pytest.mark.parametrize("chroma", ["420", "444"])
def test_odd_and_small_images_keep_their_size_and_place(size, chroma):
    shown = images(1, *size)
    found = hevc_colour(shown, 4, chroma=chroma)[1]
    assert found.shape == shown.shape
    assert error(found, shown) < 0.1 * shown.var()


def test_lossless_planes_lose_what_rounding_to_luma_and_chroma_loses():
    """Full chroma: at most a few levels; converted by Pillow alone it is the same."""
    shown = images(1)
    through = np.asarray(Image.fromarray(shown[0]).convert("YCbCr").convert("RGB"))
    np.testing.assert_array_equal(hevc_colour(shown, None)[1][0], through)


def test_an_image_alone_does_not_depend_on_its_neighbours():
    shown = images()
    assert hevc_colour(shown, 30)[0][1] == hevc_colour(shown[1:], 30)[0][0]


@pytest.mark.parametrize("quality", [10, 95])
def test_what_a_file_has_in_common_with_others_of_its_size_is_all_but_its_huffman_tables(quality):
    """Walked by hand: start, JFIF header, quantisation tables, frame and scan headers; libjpeg's order is its own."""
    fixed = []
    for file in jpeg(images(), quality)[0]:
        at, found, seen = 2, [file[:2]], []
        while True:
            length = 2 + int.from_bytes(file[at + 2 : at + 4], "big")
            seen.append(file[at + 1])
            found += [file[at : at + length]] * (file[at + 1] != 0xC4)
            at += length
            if seen[-1] == 0xDA:
                break
        assert 0xC4 in seen
        fixed.append(b"".join(found))
        assert bytes_before_scan(file) == len(fixed[-1]) < at
    assert fixed[0] == fixed[1]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: jpeg(images()[0], 80), "images: wanted uint8 with axes"),
        (lambda: jpeg(images().astype(float), 80), "images: wanted uint8 with axes"),
        (lambda: hevc_colour(images()[..., :2], 30), "images: wanted uint8 with axes"),
        (lambda: jpeg(images(), 0), "quality: wanted 1 to 100, got 0"),
        (lambda: hevc_colour(images(), 52), "qp: wanted a whole number"),
        (lambda: jpeg(images(), 80, chroma="422"), "no chroma '422'"),
    ],
)
def test_wrong_input_is_one_sentence(call, told):
    with pytest.raises(MooFsError, match=told):
        call()
