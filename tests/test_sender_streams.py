"""Mosaics and pictures: their bytes, and that the heads see what was decoded from them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from sent import ORDER, assert_alike, depth_distortion, maps_of, means_of, spied
from tiny import CHANNELS, images_of, pair, tiny_model

from moo_fs.codecs import photographs
from moo_fs.codecs.hevc_coder import code_pictures, parameter_bytes
from moo_fs.codecs.markers import bytes_before_scan
from moo_fs.codecs.mosaic import mosaics as tiled
from moo_fs.contracts import MooFsError
from moo_fs.prepared import Prepared
from moo_fs.senders import mosaics, pictures
from moo_fs.senders.hard import hard
from moo_fs.senders.points import evaluator


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    torch.set_num_threads(1)
    return Prepared(tiny_model())


# Mosaics


def test_one_step_for_the_tensor_or_every_channel_over_all_grey_levels(prepared):
    fit = maps_of(prepared, "fit")
    tensor, channel = (mosaics.grey_cells(prepared, scaling) for scaling in ("tensor", "channel"))
    spans = np.ptp(fit, axis=(0, 2, 3))
    live = spans > 0
    np.testing.assert_allclose(tensor.scale[live], 255 / np.ptp(fit), rtol=1e-5)
    np.testing.assert_allclose(tensor.levels, np.maximum(255 * spans / np.ptp(fit), 1), atol=2)
    assert spans[live].min() < 0.9 * spans.max()  # so that the two do differ
    assert (tensor.levels[~live] == 1).all()
    assert set(channel.levels[live]) == {256}
    np.testing.assert_array_equal(channel.offset, prepared.tables.depth(8).offset)


def soft_points(prepared, **changes):
    settings = {"bases": [0.5], "base_qps": ["lossless"], "qps": ["lossless"], "scaling": "tensor"} | changes
    return list(mosaics.soft(prepared, "test", ORDER, **settings))


@pytest.mark.parametrize("scaling", ["tensor", "channel"])
def test_all_channels_in_a_lossless_base_are_the_lossless_features(prepared, scaling):
    wanted = evaluator(prepared, "test").quantised(mosaics.grey_cells(prepared, scaling))
    (whole_base,) = soft_points(prepared, bases=[1.0], qps=[30], scaling=scaling)
    assert_alike(whole_base.outcome, wanted)
    assert whole_base.labels["kept"] == CHANNELS
    both = soft_points(prepared, scaling=scaling)[1]  # a lossless base beside a lossless enhancement
    assert_alike(both.outcome, wanted)
    assert both.labels == {
        "kept": 3,
        "base_share": 0.5,
        "base_qp": "lossless",
        "method": "soft",
        "qp": "lossless",
        "codec": "hevc",
    }


def test_soft_selection_with_its_enhancement_dropped_is_hard_selection(prepared):
    dropped = soft_points(prepared, scaling="channel")[0]
    assert (dropped.labels["method"], dropped.labels["fill"]) == ("hard", "mean")
    (wanted,) = hard(prepared, "test", ORDER, kept=[0.5], depth=8, fills=["mean"], codecs=["hevc"])
    assert_alike(dropped.outcome, wanted.outcome)
    assert dropped.outcome.coded_bytes < soft_points(prepared, scaling="channel")[1].outcome.coded_bytes


def test_worse_qualities_take_fewer_bytes_and_the_rate_is_that_of_the_bytes(prepared):
    one = list(mosaics.one_qp(prepared, "test", qps=["lossless", 10, 30, 50], scaling="tensor"))
    sizes = [point.outcome.coded_bytes for point in one]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4
    assert [point.labels["qp"] for point in one] == ["lossless", "10", "30", "50"]
    assert [point.outcome.rate_kbit for point in one] == pytest.approx([size * 8 / 1000 for size in sizes])
    soft = soft_points(prepared, qps=[10, 30, 50])
    assert [point.labels.get("qp") for point in soft] == [None, "10", "30", "50"]
    enhanced = [point.outcome.coded_bytes for point in soft[1:]]
    assert enhanced == sorted(enhanced, reverse=True)
    assert soft[0].outcome.coded_bytes < enhanced[-1]


def test_the_base_of_soft_selection_are_the_best_channels(prepared, monkeypatch):
    seen = spied(prepared, monkeypatch)
    soft_points(prepared, bases=[0.34], qps=[51])
    clean = mosaics.grey_cells(prepared, "tensor").dequantise(maps_of(prepared))
    dropped, coarse = seen
    np.testing.assert_array_equal(coarse[:, ORDER[:2]], clean[:, ORDER[:2]])
    assert not (coarse[:, ORDER[2:]] == clean[:, ORDER[2:]]).all()
    wanted = np.broadcast_to(means_of(prepared)[None, ORDER[2:], None, None], (7, 4, 4, 4))
    np.testing.assert_allclose(dropped[:, ORDER[2:]], wanted, rtol=1e-5)


def test_both_mosaics_of_soft_selection_pay_for_parameter_sets_and_the_base_is_told_apart(prepared):
    dropped, soft = soft_points(prepared, qps=[30], scaling="channel")
    symbols = mosaics.grey_cells(prepared, "channel").symbols(maps_of(prepared))
    base = code_pictures(tiled(symbols[:, np.sort(ORDER[:3])], least=16), qp=None)
    rest = code_pictures(tiled(symbols[:, np.sort(ORDER[3:])], least=16), qp=30)
    fixed = [parameter_bytes(packets[0]) for packets in (base, rest)]
    payloads = [np.mean([len(packet) for packet in packets]) - fixed[at] for at, packets in enumerate((base, rest))]
    # The header holds the base's length; without an enhancement it holds the packet's first four bytes.
    assert soft.sizes.columns() == {
        "nominal_bytes": CHANNELS * 16,
        "header_bytes": 16,
        "mask_bytes": 0,
        "fixed_bytes": sum(fixed),
        "base_bytes": pytest.approx(payloads[0]),
        "payload_bytes": pytest.approx(sum(payloads)),
    }
    assert fixed == [78, 78]
    assert dropped.sizes.columns() == {
        "nominal_bytes": 3 * 16,
        "header_bytes": 16,
        "mask_bytes": 0,
        "fixed_bytes": 78,
        "base_bytes": pytest.approx(np.nan, nan_ok=True),
        "payload_bytes": pytest.approx(payloads[0] - 4),
    }


# Pictures


def test_a_picture_pays_the_header_that_features_pay(prepared):
    """16 bytes, of which the code's first four take the last four: 12 more than the code itself."""
    levels = (images_of("test") * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    senders = [
        (pictures.jpeg(prepared, "test", qualities=[60]), photographs.jpeg(levels, 60), bytes_before_scan),
        (pictures.hevc(prepared, "test", qps=[30]), photographs.hevc_colour(levels, 30), parameter_bytes),
    ]
    for points, (codes, _), fixed_of in senders:
        (point,) = points
        sizes = point.sizes.columns()
        assert point.outcome.coded_bytes == np.mean([len(code) for code in codes]) + 12
        assert sizes["header_bytes"] == 16
        assert sizes["fixed_bytes"] == fixed_of(codes[0])
        assert sizes["payload_bytes"] == pytest.approx(np.mean([len(code) for code in codes]) - fixed_of(codes[0]) - 4)
        assert sizes["nominal_bytes"] == 3 * 16 * 16


def test_a_jpeg_is_decoded_and_run_through_the_whole_network(prepared, monkeypatch):
    seen = spied(prepared, monkeypatch)
    coarse, fine = pictures.jpeg(prepared, "test", qualities=[10, 90])
    levels = (images_of("test") * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    files = []
    for image in levels:
        content = io.BytesIO()
        Image.fromarray(image).save(content, format="JPEG", quality=90, optimize=True, subsampling=0)
        files.append(content.getvalue())
    decoded = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
    with torch.inference_mode():
        maps = prepared.model.edge(torch.from_numpy(decoded).permute(0, 3, 1, 2).float() / 255).numpy()
    np.testing.assert_allclose(seen[1], maps, atol=1e-5)
    assert fine.outcome.distortions["depth"] == pytest.approx(depth_distortion(prepared, maps), rel=1e-4)
    assert fine.outcome.coded_bytes == np.mean([len(file) for file in files]) + 12
    assert coarse.outcome.coded_bytes < fine.outcome.coded_bytes
    assert fine.labels == {"method": "image-jpeg", "qp": "90", "codec": "jpeg"}


def test_an_hevc_picture_is_decoded_and_run_through_the_whole_network(prepared, monkeypatch):
    seen = spied(prepared, monkeypatch)
    lossless, coarse = pictures.hevc(prepared, "test", qps=["lossless", 40])
    levels = (images_of("test") * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    for maps, point, qp in zip(seen, (lossless, coarse), (None, 40), strict=True):
        codes, decoded = photographs.hevc_colour(levels, qp)
        with torch.inference_mode():
            wanted = prepared.model.edge(torch.from_numpy(decoded).permute(0, 3, 1, 2).float() / 255).numpy()
        np.testing.assert_allclose(maps, wanted, atol=1e-5)
        assert point.outcome.coded_bytes == np.mean([len(code) for code in codes]) + 12
    assert (lossless.labels["qp"], coarse.labels["qp"]) == ("lossless", "40")
    assert abs(lossless.outcome.distortions["depth"]) < abs(coarse.outcome.distortions["depth"])


def test_images_that_were_normalised_are_no_pictures():
    def data(part):
        images, targets = pair(part)
        return images * 4 - 2, targets

    with pytest.raises(MooFsError, match=r"wanted images in \[0, 1\] to code as pictures, got -1.99.* to 1.99"):
        list(pictures.jpeg(Prepared(tiny_model(data=data)), "test", qualities=[50]))
