"""Soft selection: two mosaics of unequal quality, whose codes alone give the symbols that were told."""

import numpy as np
import pytest

from moo_fs import MooFsError
from moo_fs.codecs.hevc_coder import code_pictures
from moo_fs.codecs.mosaic import mosaic, mosaics, tiles_of, tiles_of_all
from moo_fs.codecs.soft import DROPPED, decode, one_qp, soft

BASE = np.arange(10) % 3 == 0  # 4 of 10


def symbols(images=3, channels=10, side=12):
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:side, :side]
    waves = rng.uniform(2, 5, (images, channels, 1, 1))
    return np.rint(127 + 120 * np.sin(row / waves) * np.cos(column / waves)).astype(np.uint8)


def error(found, wanted):
    return ((found.astype(float) - wanted) ** 2).mean()


def test_mosaics_of_many_images_are_those_of_each():
    sent = symbols()
    for least in (1, 64):
        pictures = mosaics(sent, least=least)
        np.testing.assert_array_equal(pictures, np.stack([mosaic(one, least=least) for one in sent]))
        np.testing.assert_array_equal(tiles_of_all(pictures, sent.shape[1:]), sent)
        np.testing.assert_array_equal(tiles_of(pictures[1], sent.shape[1:]), sent[1])


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize(("base_qp", "enhancement_qp"), [(None, 30), (8, 40), (None, None), (None, DROPPED), (20, 20)])
def test_the_codes_alone_give_the_symbols_that_are_told(base_qp, enhancement_qp, sequence):
    sent = symbols()
    coded = soft(sent, BASE, base_qp=base_qp, enhancement_qp=enhancement_qp, sequence=sequence)
    dropped = enhancement_qp == DROPPED
    np.testing.assert_array_equal(decode(coded.codes, BASE, shape=sent.shape[1:], dropped=dropped), coded.symbols)
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
    assert coded.base_bytes.tolist() == list(map(len, base))
    assert coded.enhancement_bytes.tolist() == list(map(len, enhancement))
    # The stream's header of 16 bytes holds the base's length in place of the code's first four bytes.
    np.testing.assert_array_equal(coded.coded_bytes, 16 + coded.base_bytes + coded.enhancement_bytes)


def test_one_mosaic_is_soft_selection_with_everything_in_the_base():
    sent = symbols()
    coded = one_qp(sent, 25)
    alone = code_pictures(mosaics(sent, least=16), qp=25)
    assert coded.codes == alone
    np.testing.assert_array_equal(coded.coded_bytes, [12 + len(code) for code in alone])
    assert coded.mask_bytes == 0
    assert not coded.enhancement_bytes.any()
    everything = np.zeros(10, bool)
    assert soft(sent, everything, base_qp=1, enhancement_qp=25).codes == alone


def test_worse_enhancement_takes_fewer_bytes_and_leaves_the_base_alone():
    sent = symbols()
    coded = [soft(sent, BASE, base_qp=None, enhancement_qp=qp) for qp in (10, 25, 40, DROPPED)]
    assert (np.diff([one.coded_bytes.mean() for one in coded]) < 0).all()
    for one in coded:
        np.testing.assert_array_equal(one.symbols[:, BASE], sent[:, BASE])


def test_the_ledger_adds_up_and_counts_the_mask_only_where_it_is_sent():
    sent = symbols()
    for mask_deployed, mask in ((True, 0), (False, 2)):  # 10 channels: 2 bytes
        coded = soft(sent, BASE, base_qp=None, enhancement_qp=35, mask_deployed=mask_deployed)
        ledger = coded.ledger
        assert ledger.coded_bytes == pytest.approx(coded.coded_bytes.mean())
        items = {item.name: item.bytes for item in ledger.items}
        assert items == {
            "header": pytest.approx(16),
            "base": coded.base_bytes.mean(),
            "enhancement": coded.enhancement_bytes.mean(),
            "mask": 2,
        }
        assert ledger.coded_bytes == pytest.approx(16 + items["base"] + items["enhancement"] + mask)
        assert ledger.nominal_bytes == 10 * 144
    dropped = soft(sent, BASE, base_qp=30, enhancement_qp=DROPPED).ledger
    assert dropped.nominal_bytes == 4 * 144


def test_channels_of_one_level_are_left_out_and_symbols_stay_within_their_levels():
    sent = symbols() % 7
    sent[:, 0] = 0
    levels = np.where(np.arange(10) == 0, 1, 7)
    coded = soft(sent, BASE, base_qp=45, enhancement_qp=45, levels=levels)
    assert coded.symbols.max() <= 6
    assert not coded.symbols[:, 0].any()
    assert coded.received.tolist() == [False] + [True] * 9
    again = decode(coded.codes, BASE, shape=sent.shape[1:], levels=levels)
    np.testing.assert_array_equal(again, coded.symbols)


def test_an_image_alone_does_not_depend_on_its_neighbours():
    sent = symbols()
    coded = soft(sent, BASE, base_qp=20, enhancement_qp=35)
    assert soft(sent[1:2], BASE, base_qp=20, enhancement_qp=35).codes == coded.codes[1:2]


def test_nothing_sent_costs_the_header():
    coded = soft(symbols(), np.zeros(10, bool), base_qp=None, enhancement_qp=DROPPED)
    assert coded.coded_bytes.tolist() == [16] * 3
    assert coded.ledger.coded_bytes == 16


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda s: soft(s[0], BASE, base_qp=1, enhancement_qp=2), "symbols: wanted uint8 with axes"),
        (lambda s: soft(s, BASE[:3], base_qp=1, enhancement_qp=2), "base: wanted a bool for each of 10"),
        (lambda s: soft(s, BASE.astype(int), base_qp=1, enhancement_qp=2), "base: wanted a bool"),
        (lambda s: soft(s, BASE, base_qp=1, enhancement_qp=52), "qp: wanted a whole number"),
        (lambda s: one_qp(s, 3, levels=np.zeros(10)), "levels: wanted 1 to 256"),
        (lambda s: decode([b"\1"], BASE, shape=(10, 12, 12)), "cut off"),
        (lambda s: decode([b"\0" * 40], BASE, shape=(10, 12, 12)), "hevc: "),
        (lambda s: decode(one_qp(s, 30).codes, BASE | True, shape=(10, 8, 8)), "wanted mosaics of"),
    ],
)
def test_wrong_input_is_one_sentence(call, told):
    with pytest.raises(MooFsError, match=told):
        call(symbols())
