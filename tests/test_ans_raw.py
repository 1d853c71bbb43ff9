"""The codec `ans-raw`: the code of `ans` where its tables fit, plain bits where they do not, and nothing ambiguous."""

import numpy as np
import pytest

from moo_fs import MooFsError
from moo_fs.codecs.ans import Ans
from moo_fs.codecs.ans_raw import AnsRaw
from moo_fs.coding.quantiser import fit_tables, uniform_step


def fitted(channels=10):
    """Depths 0 to 8 of maps that are nearly always 0."""
    rng = np.random.default_rng(0)
    maps = np.maximum(rng.standard_normal((20, channels, 8, 8)) - 1.5, 0).astype(np.float32)
    bits = np.arange(channels) % 9
    return fit_tables(maps).select(bits), maps, bits


def odd(cells, channels):
    """Symbols that are common, but for some channels, where all levels are equally frequent."""
    common = np.where(np.arange(256) < cells.levels[:, None], cells.code_bits, np.inf).argmin(axis=1)
    symbols = np.tile(common[:, None, None], (8, 8)).astype(np.uint8)
    for channel in channels:
        symbols[channel] = np.arange(64).reshape(8, 8) * 37 % cells.levels[channel]
    return symbols


def test_where_tables_fit_the_code_is_that_of_ans():
    cells, maps, _ = fitted()
    for one in cells.symbols(maps):
        assert AnsRaw(cells).encode(one) == Ans(cells).encode(one)


@pytest.mark.parametrize("channels", [[1], [3], [8], [2, 5], [1, 2, 3, 4, 5, 6, 7, 8]])
def test_channels_that_their_tables_do_not_fit_take_their_bits_and_flags(channels):
    """A bit a channel that is sent, 8 bytes a bit of depth for 64 positions, the mark, and ans for the rest."""
    cells, _, bits = fitted()
    symbols = odd(cells, channels)
    coder = AnsRaw(cells)
    plain = np.isin(np.arange(10), channels)
    np.testing.assert_array_equal(coder.plain(symbols), plain)
    code = coder.encode(symbols)
    others = np.flatnonzero(~plain & (cells.levels > 1))
    rest = sum(cells.code_bits[channel][symbols[channel]].sum() / 8 for channel in others)
    flags = -(-int((cells.levels > 1).sum()) // 8)
    # An empty stack of ans takes 3.6 bytes.
    assert len(code) == pytest.approx(flags + 8 * bits[channels].sum() + 1 + rest + 3.6, abs=1)
    assert len(code) < len(Ans(cells).encode(symbols))
    assert code.endswith(b"\0")
    np.testing.assert_array_equal(AnsRaw(cells).decode(code, symbols.shape), symbols)
    assert coder.payload_bytes(symbols[None]).tolist() == [len(code) - 4]


def test_it_is_never_longer_than_ans_nor_much_longer_than_plain_bits():
    cells, maps, bits = fitted()
    rng = np.random.default_rng(1)
    for share in (0, 0.02, 0.1, 1):
        symbols = cells.symbols(maps[:4])
        noise = rng.integers(0, np.maximum(cells.levels, 1)[:, None, None], symbols.shape).astype(np.uint8)
        symbols = np.where(rng.random(symbols.shape) < share, noise, symbols).astype(np.uint8)
        found = AnsRaw(cells).payload_bytes(symbols)
        assert (found <= Ans(cells).payload_bytes(symbols)).all()
        assert (found <= bits.sum() * 64 / 8 + 8).all()


def test_a_channel_that_is_hardly_worse_by_its_table_stays_with_it():
    """Its gain of half a byte would not pay for the flag and the mark."""
    cells, _, _ = fitted(2)
    plain, rare = 64, int(cells.code_bits[1, :2].argmax())
    costs = cells.code_bits[1, rare], cells.code_bits[1, 1 - rare]
    count = next(n for n in range(65) if n * costs[0] + (64 - n) * costs[1] > plain)
    symbols = np.zeros((2, 64), np.uint8)
    symbols[1] = np.where(np.arange(64) < count, rare, 1 - rare)
    symbols = symbols.reshape(2, 8, 8)
    assert AnsRaw(cells).plain(symbols).tolist() == [False, True]
    assert AnsRaw(cells).encode(symbols) == Ans(cells).encode(symbols)


def test_a_step_with_levels_that_are_no_power_of_two_comes_back():
    _, maps, _ = fitted()
    cells = uniform_step(maps, step=0.11)
    assert (cells.levels & (cells.levels - 1)).any()
    symbols = odd(cells, range(10))
    code = AnsRaw(cells).encode(symbols)
    assert code.endswith(b"\0")
    np.testing.assert_array_equal(AnsRaw(cells).decode(code, symbols.shape), symbols)


def test_any_other_code_of_the_same_symbols_is_refused():
    """Contract: a flag that does not pay, unused bits, a cut or longer code."""
    cells, _, _ = fitted()
    symbols = odd(cells, [3, 8])
    coder = AnsRaw(cells)
    code = coder.encode(symbols)
    shape = symbols.shape
    flags = -(-int((cells.levels > 1).sum()) // 8)
    wrong = [
        code[:-1],
        code[1:],
        code[:10] + b"\0",
        code[:-1] + b"\1\0",
        b"\0",
        b"",
        bytes([code[0] | 1]) + code[1:] if flags > 1 else bytes([code[0] ^ 0x80]) + code[1:],
        b"\0" * flags + Ans(cells).encode(symbols) + b"\0",
    ]
    for one in wrong:
        with pytest.raises(MooFsError, match="codec 'ans"):
            AnsRaw(cells).decode(one, shape)
    with pytest.raises(MooFsError, match="10 channels"):
        coder.decode(code, (9, 8, 8))


def test_symbols_beyond_the_levels_of_a_plain_channel_are_refused():
    _, maps, _ = fitted(2)
    cells = uniform_step(maps[:, :1], step=0.6)
    levels, width = int(cells.levels[0]), int(cells.levels[0] - 1).bit_length()
    assert levels < 2**width
    ones = np.packbits(np.ones(width * 64, np.uint8)).tobytes()
    rest = Ans(fit_tables(np.zeros((1, 1, 2, 2), np.float32)).select(np.array([0]))).encode(
        np.zeros((1, 8, 8), np.uint8)
    )
    with pytest.raises(MooFsError, match="symbols: wanted 0 to"):
        AnsRaw(cells).decode(b"\x80" + ones + rest + b"\0", (1, 8, 8))
