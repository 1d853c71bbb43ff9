"""HEVC of grey pictures: the QP asked for is the QP in the stream, and what is decoded is what the encoder has."""

import subprocess
import sys

import numpy as np
import pytest

from moo_fs import MooFsError
from moo_fs.codecs import hevc_coder
from moo_fs.codecs.hevc_coder import code_pictures, decode_pictures, encoder_version, parameter_bytes

QPS = (0, 1, 7, 22, 37, 51)


def pictures(count=3, height=48, width=64, *, seed=0):
    """Smooth blobs with some noise, all 256 levels in each."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:height, :width]
    blobs = [
        np.sin(row / rng.uniform(4, 9) + rng.uniform(0, 6)) * np.cos(column / rng.uniform(4, 9)) for _ in range(count)
    ]
    noisy = np.stack(blobs) + rng.normal(0, 0.1, (count, height, width))
    low, high = noisy.min((1, 2), keepdims=True), noisy.max((1, 2), keepdims=True)
    return np.rint((noisy - low) / (high - low) * 255).astype(np.uint8)


def moved(count=5):
    """One picture that moves by a pixel a step."""
    wide = pictures(1, 48, 64 + count)[0]
    return np.stack([wide[:, at : at + 64] for at in range(count)])


def error(found, wanted):
    return ((found.astype(float) - wanted) ** 2).mean()


class Bits:
    """Bits of a NAL unit's payload, read as in ITU-T H.265, section 9.2."""

    def __init__(self, unit):
        plain = unit.replace(b"\0\0\3", b"\0\0")
        self.bits = "".join(f"{byte:08b}" for byte in plain[2:])  # after the unit's header of 2 bytes

    def u(self, count):
        found, self.bits = self.bits[:count], self.bits[count:]
        return int(found, 2)

    def ue(self):
        zeros = self.bits.index("1")
        return self.u(2 * zeros + 1) - 1

    def se(self):
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def slice_qp(code):
    """SliceQpY of an IDR picture: 26 + init_qp_minus26 (section 7.4.3.3) + slice_qp_delta (7.4.7.1)."""
    units = {unit[0] >> 1: unit for unit in code.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit}
    parameters = Bits(units[34])
    assert (parameters.ue(), parameters.ue()) == (0, 0)
    assert parameters.u(1 + 1 + 3) == 0  # no dependent slices, no output flag, no further header bits
    parameters.u(2)
    parameters.ue(), parameters.ue()
    initial = 26 + parameters.se()
    header = Bits(units[next(kind for kind in units if kind in (19, 20))])
    assert header.u(1) == 1
    header.u(1)
    assert header.ue() == 0
    assert header.ue() == 2  # an I slice
    header.u(1)  # sample adaptive offset of luma
    return initial + header.se()


def test_parameter_sets_are_counted_with_their_start_codes():
    """Units of types 32, 33, 34 with start codes of 4 and 3 bytes, then a picture (20) and text about it (39)."""
    units = [b"\0\0\0\1\x40\1abc", b"\0\0\0\1\x42\1de", b"\0\0\1\x44\1f", b"\0\0\1\x28\1ghij\x80", b"\0\0\1\x4e\1klm"]
    assert parameter_bytes(b"".join(units)) == 9 + 8 + 6
    assert parameter_bytes(b"".join(units[3:])) == 0
    assert parameter_bytes(b"") == 0


@pytest.mark.parametrize(("side", "told", "first"), [(32, 27 + 41 + 10, 79), (128, 27 + 43 + 10, 80)])
@pytest.mark.parametrize("qp", [None, 22])
def test_parameter_sets_are_the_same_in_every_picture_and_once_in_a_sequence(side, told, first, qp):
    """So that they could be deployed once. The sizes are read off the streams by hand; they grow with the picture's."""
    shown = np.random.default_rng(0).integers(0, 256, (3, side, side)).astype(np.uint8)
    codes = code_pictures(shown, qp=qp)
    assert {code[:told] for code in codes} == {codes[0][:told]}
    assert [parameter_bytes(code) for code in codes] == [told] * 3
    assert codes[0][told : told + 4] == b"\0\0\1\x28"  # an instantaneous refresh: type 20
    assert [parameter_bytes(code) for code in code_pictures(shown, qp=qp, sequence=True)] == [first, 0, 0]


def test_text_about_settings_would_not_count_as_parameter_sets(monkeypatch):
    plain = code_pictures(pictures(1), qp=30)[0]
    monkeypatch.setattr(hevc_coder, "ALONE", hevc_coder.ALONE.replace("info=0", "info=1"))
    told = code_pictures(pictures(1), qp=30)[0]
    assert len(told) > len(plain) + 2000
    assert parameter_bytes(told) == parameter_bytes(plain)
    assert f" - {encoder_version()}".encode() in told


@pytest.mark.parametrize("qp", QPS)
def test_an_intra_picture_has_the_qp_asked_for(qp):
    """x265 would give it 3 less: its ipratio of 1.4 is 6 log2(1.4) = 2.9 steps."""
    assert [slice_qp(code) for code in code_pictures(pictures(), qp=qp)] == [qp] * 3
    assert slice_qp(code_pictures(moved(), qp=qp, sequence=True)[0]) == qp


@pytest.mark.parametrize("sequence", [False, True])
def test_bytes_fall_and_errors_grow_with_the_qp(sequence):
    shown = moved() if sequence else pictures()
    codes = [code_pictures(shown, qp=qp, sequence=sequence) for qp in range(4, 52, 6)]
    sizes = [sum(map(len, one)) for one in codes]
    errors = [error(decode_pictures(one), shown) for one in codes]
    assert (np.diff(sizes) < 0).all()
    assert (np.diff(errors) > 0).all()


@pytest.mark.parametrize("sequence", [False, True])
def test_lossless_is_lossless_and_qp_0_is_not(sequence):
    ladder = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shown = np.stack([ladder, ladder.T, ladder[::-1]])
    np.testing.assert_array_equal(decode_pictures(code_pictures(shown, qp=None, sequence=sequence)), shown)
    assert 0 < error(decode_pictures(code_pictures(pictures(), qp=0)), pictures()) < 0.1


def test_a_picture_alone_does_not_depend_on_its_neighbours_and_is_decoded_alone():
    shown = pictures(4)
    codes = code_pictures(shown, qp=25)
    assert codes == [code_pictures(one[None], qp=25)[0] for one in shown]
    together = decode_pictures(codes)
    for code, picture in zip(codes, together, strict=True):
        np.testing.assert_array_equal(decode_pictures([code])[0], picture)


def test_a_sequence_takes_fewer_bytes_than_its_pictures_alone_and_one_packet_a_picture():
    shown = moved(8)
    for qp in (None, 20, 35):
        alone, sequence = code_pictures(shown, qp=qp), code_pictures(shown, qp=qp, sequence=True)
        assert len(sequence) == len(alone) == 8
        assert sum(map(len, sequence)) < 0.8 * sum(map(len, alone))
        np.testing.assert_array_equal(decode_pictures(sequence[:3]), decode_pictures(sequence)[:3])


def test_pictures_come_back_in_their_order():
    shown = np.stack([np.full((16, 16), value, np.uint8) for value in (10, 200, 50, 120, 90, 30)])
    for sequence in (False, True):
        found = decode_pictures(code_pictures(shown, qp=20, sequence=sequence))
        assert np.abs(found.astype(int) - shown).max() <= 3


def test_another_process_decodes_bit_for_bit(tmp_path):
    codes = code_pictures(moved(), qp=30, sequence=True)
    for at, code in enumerate(codes):
        (tmp_path / f"{at}").write_bytes(code)
    program = (
        "import sys; from pathlib import Path; from moo_fs.codecs.hevc_coder import decode_pictures\n"
        "codes = [Path(name).read_bytes() for name in sys.argv[1:]]\n"
        "sys.stdout.buffer.write(decode_pictures(codes).tobytes())"
    )
    command = [sys.executable, "-c", program, *(str(tmp_path / f"{at}") for at in range(len(codes)))]
    got = subprocess.run(command, capture_output=True, check=True).stdout
    assert got == decode_pictures(codes).tobytes()


@pytest.mark.parametrize("sequence", [False, True])
def test_what_is_decoded_is_the_encoders_own_reconstruction(monkeypatch, sequence):
    """x265 puts the MD5 of its reconstruction beside each picture (hash=1); the decoder is made to check it."""
    shown, plain = moved(), code_pictures(moved(), qp=30, sequence=sequence)
    for name in ("ALONE", "IN_SEQUENCE"):
        monkeypatch.setattr(hevc_coder, name, getattr(hevc_coder, name) + ":hash=1")
    signed = code_pictures(shown, qp=30, sequence=sequence)
    np.testing.assert_array_equal(decode_pictures(signed), decode_pictures(plain))
    av = hevc_coder.pyav()

    def checked(codes):
        coder = av.CodecContext.create("hevc", "r")
        coder.thread_count = 1
        coder.options = {"err_detect": "crccheck+explode"}
        return [frame for code in codes for frame in coder.decode(av.Packet(code))] + coder.decode(None)

    assert len(checked(signed)) == len(shown)
    at = signed[0].rindex(b"\x84\x11\0") + 10  # within the MD5 of an SEI message 132 of 17 bytes
    forged = signed[0][:at] + bytes([signed[0][at] ^ 0x40]) + signed[0][at + 1 :]
    with pytest.raises(av.FFmpegError):
        checked([forged])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: code_pictures(pictures()[0], qp=20), "wanted uint8 with axes"),
        (lambda: code_pictures(pictures().astype(float), qp=20), "wanted uint8 with axes"),
        (lambda: code_pictures(pictures()[:0], qp=20), "wanted uint8 with axes"),
        (lambda: code_pictures(pictures(1, 15, 64), qp=20), "sides of 16 pixels or more, got 15 x 64"),
        (lambda: code_pictures(pictures(), qp=52), "qp: wanted a whole number from 0 to 51"),
        (lambda: code_pictures(pictures(), qp=-1), "qp: wanted a whole number"),
        (lambda: code_pictures(pictures(), qp=True), "qp: wanted a whole number"),
        (lambda: code_pictures(pictures(), qp=2.5), "qp: wanted a whole number"),
        (lambda: decode_pictures([]), "got none or an empty one"),
        (lambda: decode_pictures([b""]), "got none or an empty one"),
        (lambda: decode_pictures([bytes(range(256))]), "damaged|wanted 1 pictures"),
        (lambda: decode_pictures(code_pictures(pictures(), qp=30) + code_pictures(moved()[:, :32], qp=30)), "one size"),
        (lambda: decode_pictures(code_pictures(moved(), qp=30, sequence=True)[1:]), "damaged|wanted 4 pictures"),
    ],
)
def test_wrong_input_is_one_sentence(call, told):
    with pytest.raises(MooFsError, match=told):
        call()
