"""Soft selection: two mosaics of unequal quality, whose codes alone give the symbols that were told."""

import numpy as np
import pytest

from moo_fs import MooFsError
from moo_fs.codecs.hevc_coder import code_pictures, decode_pictures
from moo_fs.codecs.mosaic import mosaic, mosaics, tiles_of, tiles_of_all
from moo_fs.codecs.soft import DROPPED, one_qp, soft

BASE = np.arange(10) % 3 == 0  # 4 of 10


def symbols(images=3, channels=10, side=12):
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:side, :side]
    waves = rng.uniform(2, 5, (images, channels, 1, 1))
    return np.rint(127 + 120 * np.sin(row / waves) * np.cos(column / waves)).astype(np.uint8)


def error(found, wanted):
    return ((found.astype(float) - wanted) ** 2).mean()


def received(code, base, shape, *, dropped):
    """One image's symbols from its code alone, by the format in the module's first words."""
    sent = [np.flatnonzero(base), np.flatnonzero(~base & (not dropped))]
    packets = [code]
    if all(map(len, sent)):
        end = 4 + int.from_bytes(code[:4], "little")
        packets = [code[4:end], code[end:]]
    found = np.zeros(shape, np.uint8)
    for channels, packet in zip(filter(len, sent), packets, strict=True):
        found[channels] = tiles_of(decode_pictures([packet])[0], (len(channels), *shape[1:]))
    return found


def test_mosaics_of_many_images_are_those_of_each():
    sent = symbols()
    for least in (1, 64):
        pictures = mosaics(sent, least=least)
        np.testing.assert_array_equal(pictures, np.stack([mosaic(one, least=least) for one in sent]))
        np.testing.assert_array_equal(tiles_of_all(pictures, sent.shape[1:]), sent)
        np.testing.assert_array_equal(tiles_of(pictures[1], sent.shape[1:]), sent[1])


@pytest.mark.parametrize(("base_qp", "enhancement_qp"), [(None, 30), (8, 40), (None, None), (None, DROPPED), (20, 20)])
def test_the_codes_alone_give_the_symbols_that_are_told(base_qp, enhancement_qp):
    sent = symbols()
    coded = soft(sent, BASE, base_qp=base_qp, enhancement_qp=enhancement_qp)
    dropped = enhancement_qp == DROPPED
    again = [received(code, BASE, sent.shape[1:], dropped=dropped) for code in coded.codes]
    np.testing.assert_array_equal(again, coded.symbols)
    np.testing.assert_array_equal(coded.received, BASE | (not dropped))
    for channels, qp in ((BASE, base_qp), (~BASE, enhancement_qp)):
        if qp is None:
            np.testing.assert_array_equal(coded.symbols[:, channels], sent[:, channels])
        elif qp == DROPPED:
            assert not coded.symbols[:, channels].any()
        else:
            assert 0 < error(coded.symbols[:, channels], sent[:, channels]) < 0.1 * sent.var()


def test_base_and_enhancement_are_the_mosaics_coded_apart():
    sent = symbols()
    coded = soft(sent, BASE, base_qp=None, enhancement_qp=35)
    base = code_pictures(mosaics(sent[:, BASE], least=16), qp=None)
    enhancement = code_pictures(mosaics(sent[:, ~BASE], least=16), qp=35)
    assert (coded.base, coded.enhancement) == (base, enhancement)
    # The stream's header of 16 bytes holds the base's length in place of the code's first four bytes.
    sizes = [16 + len(first) + len(second) for first, second in zip(base, enhancement, strict=True)]
    assert coded.coded_bytes.tolist() == sizes


def test_one_mosaic_is_soft_selection_with_everything_in_the_base():
    sent = symbols()
    coded = one_qp(sent, 25)
    alone = code_pictures(mosaics(sent, least=16), qp=25)
    assert coded.codes == alone
    np.testing.assert_array_equal(coded.coded_bytes, [12 + len(code) for code in alone])
    assert not any(coded.enhancement)
    everything = np.zeros(10, bool)
    assert soft(sent, everything, base_qp=1, enhancement_qp=25).codes == alone


def test_worse_enhancement_takes_fewer_bytes_and_leaves_the_base_alone():
    sent = symbols()
    coded = [soft(sent, BASE, base_qp=None, enhancement_qp=qp) for qp in (10, 25, 40, DROPPED)]
    assert (np.diff([one.coded_bytes.mean() for one in coded]) < 0).all()
    for one in coded:
        np.testing.assert_array_equal(one.symbols[:, BASE], sent[:, BASE])


def test_two_mosaics_pay_for_parameter_sets_twice_and_one_once():
    """78 bytes for 24 x 24 pixels, 79 for 24 x 36: 27, 41 or 42, and 10, start codes included (test_hevc_coder)."""
    sent = symbols()
    both, alone = (
        soft(sent, BASE, base_qp=None, enhancement_qp=35),
        soft(sent, BASE, base_qp=None, enhancement_qp="dropped"),
    )
    assert alone.fixed_bytes.tolist() == [78] * 3
    assert both.fixed_bytes.tolist() == [78 + 79] * 3
    np.testing.assert_array_equal(both.base_bytes, [len(packet) - 78 for packet in both.base])
    np.testing.assert_array_equal(alone.base_bytes, both.base_bytes)


def test_channels_of_one_level_are_left_out_and_symbols_stay_within_their_levels():
    sent = symbols() % 7
    sent[:, 0] = 0
    levels = np.where(np.arange(10) == 0, 1, 7)
    coded = soft(sent, BASE, base_qp=45, enhancement_qp=45, levels=levels)
    assert coded.symbols.max() <= 6
    assert not coded.symbols[:, 0].any()
    assert coded.received.tolist() == [False] + [True] * 9
    sent_base, sent_rest = np.flatnonzero(BASE)[1:], np.flatnonzero(~BASE)  # channel 0 is in no mosaic
    for channels, packets in ((sent_base, coded.base), (sent_rest, coded.enhancement)):
        shown = tiles_of_all(decode_pictures(packets), (len(channels), 12, 12))
        np.testing.assert_array_equal(np.minimum(shown, 6), coded.symbols[:, channels])


def test_an_image_alone_does_not_depend_on_its_neighbours():
    sent = symbols()
    coded = soft(sent, BASE, base_qp=20, enhancement_qp=35)
    assert soft(sent[1:2], BASE, base_qp=20, enhancement_qp=35).codes == coded.codes[1:2]


def test_nothing_sent_costs_the_header():
    coded = soft(symbols(), np.zeros(10, bool), base_qp=None, enhancement_qp=DROPPED)
    assert coded.coded_bytes.tolist() == [16] * 3
    assert coded.fixed_bytes.tolist() == [0] * 3


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda s: soft(s[0], BASE, base_qp=1, enhancement_qp=2), "symbols: wanted uint8 with axes"),
        (lambda s: soft(s, BASE[:3], base_qp=1, enhancement_qp=2), "base: wanted a bool for each of 10"),
        (lambda s: soft(s, BASE.astype(int), base_qp=1, enhancement_qp=2), "base: wanted a bool"),
        (lambda s: soft(s, BASE, base_qp=1, enhancement_qp=52), "qp: wanted a whole number"),
        (lambda s: one_qp(s, 3, levels=np.zeros(10)), "levels: wanted 1 to 256"),
    ],
)
def test_wrong_input_is_one_sentence(call, told):
    with pytest.raises(MooFsError, match=told):
        call(symbols())
