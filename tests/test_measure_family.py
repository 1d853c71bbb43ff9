"""Measures beside the first ones: what each is by its formula, on inputs where that is known."""

from dataclasses import replace

import numpy as np
import planted
import pytest
import torch
from torch import nn

from moo_fs import MooFsError, measures, registry
from moo_fs.coding.quantiser import fit_tables
from moo_fs.decoding import from_order
from moo_fs.scoring import Source, draw, score
from moo_fs.split import Batch
from moo_fs.tasks import Task

measures.register()
COLUMN = {task.name: column for column, task in enumerate(planted.TASKS)}


def scored(name, source, **options):
    return score(registry.as_measure(registry.measures.load(name)), source, seed=0, options=options)


@pytest.fixture(scope="module")
def source():
    return planted.source()


def linear_source(images=24, channels=4, seed=0):
    """Independent maps of unit variance and one head that adds them up with weights 0, 1, 2, 3; no noise."""
    draws = torch.Generator().manual_seed(seed)
    features = torch.randn(images, channels, 6, 6, generator=draws)
    head = nn.Conv2d(channels, 1, 1, bias=False)
    with torch.no_grad():
        head.weight[0, :, 0, 0] = torch.arange(channels).float()
        target = head(features)
    tasks = [Task("sum", loss=lambda output, target: (output - target).square().mean((1, 2, 3)))]
    return Source({"sum": head}, tasks, features, {"sum": target}, features.mean((0, 2, 3)))


# Weights


def test_measures_of_weights_are_norms_and_distances_of_filters(source):
    filters = source.weights.flatten(1).double().numpy()
    np.testing.assert_allclose(scored("l1-norm-weights", source).values[:, 0], np.abs(filters).sum(1), rtol=1e-6)
    np.testing.assert_allclose(scored("l2-norm-weights", source).values[:, 0], np.linalg.norm(filters, axis=1))
    distances = np.linalg.norm(filters[:, None] - filters[None], axis=2).sum(1)
    np.testing.assert_allclose(scored("geometric-median-weights", source).values[:, 0], distances)
    np.testing.assert_allclose(scored("batch-norm-scale", source).values[:, 0], source.scale.abs())


# Maps


def test_effective_rank_counts_directions_whatever_their_scale():
    # Rank one, two equal singular values, the identity of side 4, and nothing.
    maps = np.zeros((1, 4, 4, 4))
    maps[0, 0] = np.outer([1, 2, 3, 4], [1, 0, 2, 5])
    maps[0, 1, :2, :2] = 1e-20 * np.eye(2)
    maps[0, 2] = 1e20 * np.eye(4)
    features = torch.from_numpy(maps).float()
    found = registry.measures.load("effective-rank")(Batch(features))
    np.testing.assert_allclose(found, [1, 2, 4, 0], atol=1e-5)


# Gradients


def test_taylor_squared_and_fisher_by_hand(source):
    index = draw(40, 0)
    features, head = source.features[index], source.heads["depth"]
    inputs = features.clone().requires_grad_()
    target = source.targets["depth"][index]
    valid = ~target.isnan()
    ((head(inputs) - torch.where(valid, target, 0.0)).square() * valid).sum().backward()
    gradient = inputs.grad.double().numpy()
    squared = np.mean((gradient * features.numpy()).sum((2, 3)) ** 2, axis=0)
    np.testing.assert_allclose(scored("taylor-squared", source).values[:, COLUMN["depth"]], squared, rtol=1e-4)
    fisher = 0.5 * features.numpy().var(axis=(0, 2, 3)) * np.mean((gradient**2).sum((2, 3)), axis=0)
    np.testing.assert_allclose(scored("fisher", source).values[:, COLUMN["depth"]], fisher, rtol=1e-4)


# Heads


def test_noise_moves_a_linear_heads_output_by_its_squared_weights():
    source = linear_source(images=200)
    found = scored("noise-sensitivity", source, noise=0.5).values[:, 0]
    # weight^2 x (0.5 deviation)^2, the same noise for every channel.
    deviations = source.features[draw(200, 0)].std(dim=(0, 2, 3), correction=0).numpy()
    wanted = (0.5 * deviations * np.arange(4)) ** 2
    np.testing.assert_allclose(found[1:] / found[3], wanted[1:] / wanted[3], rtol=1e-3)
    assert found[0] == 0
    np.testing.assert_allclose(found, wanted, rtol=0.1)


def test_sensitivity_at_1_bit_is_the_loss_of_that_bit_while_the_others_have_theirs(source):
    found = scored("sensitivity-1-bit", source).values[:, COLUMN["depth"]]
    index = draw(40, 0)
    maps, target = source.features[index].numpy(), source.targets["depth"][index].numpy()

    def loss(bits):
        decoded = source.tables.select(bits).dequantise(maps)
        return np.nanmean(np.nanmean((3 * decoded[:, 2] - target) ** 2, axis=(1, 2)))

    ones = np.ones(planted.CHANNELS, int)
    wanted = [loss(np.where(np.arange(planted.CHANNELS) == c, 0, ones)) - loss(ones) for c in range(planted.CHANNELS)]
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_a_distortion_table_holds_the_loss_of_every_depth_and_its_slope_over_the_error(source):
    found = scored("distortion-table", source)
    table = found.details["distortions"][1][:, :, COLUMN["depth"]]
    assert found.details["distortions"][1].shape == (planted.CHANNELS, 9, len(planted.TASKS))
    np.testing.assert_allclose(table[:, 0], scored("sensitivity", source).values[:, COLUMN["depth"]], atol=1e-4)
    error = source.tables.error
    slopes = [np.linalg.lstsq(error[c][:, None], table[c], rcond=None)[0][0] for c in range(planted.CHANNELS)]
    np.testing.assert_allclose(found.values[:, COLUMN["depth"]], slopes, rtol=1e-6, atol=1e-9)
    decisive = table[planted.DECISIVE["depth"]]
    assert decisive[0] > decisive[1] > decisive[2] > decisive[3] > 0


def test_shapley_values_add_up_to_all_that_there_is_to_lose(source):
    found = scored("shapley", source, orders=4)
    index = draw(40, 0)
    for column, task in enumerate(planted.TASKS):
        batches = []
        spy = registry.Measure("spy", lambda batch, kept=batches: kept.append(batch) or torch.zeros(5), ("ablate",))
        score(replace(spy, whole=True), source, seed=0)
        everything = torch.ones(planted.CHANNELS, dtype=torch.bool)
        lost = batches[0].ablate(task.name, everything).mean() - batches[0].ablate(task.name, ~everything).mean()
        assert found.values[:, column].sum() == pytest.approx(float(lost), rel=1e-4)
    assert len(index) == found.samples
    assert found.details["error"][1].shape == (planted.CHANNELS, len(planted.TASKS))


def test_shapley_values_of_independent_channels_are_their_shares_of_the_variance():
    source = linear_source(images=60)
    found = scored("shapley", source, orders=8)
    alone = scored("sensitivity", source).values[:, 0]
    # Uncorrelated errors add up, so that every order gives a channel nearly what leave-one-out does.
    np.testing.assert_allclose(found.values[:, 0], alone, atol=0.25)
    assert (found.details["error"][1] < 0.25).all()


# Orders


def test_a_copy_of_the_best_channel_is_not_second_in_the_conditional_order():
    draws = torch.Generator().manual_seed(1)
    features = torch.randn(60, 4, 4, 4, generator=draws)
    features[:, 3] = features[:, 0] + 0.01 * torch.randn(60, 4, 4, generator=draws)
    output = 2 * features[:, [0]] + features[:, [1]]
    batch = Batch(features, tasks=(Task("image", kind="image"),), outputs={"image": output}, targets={"image": output})
    measure = registry.measures.load("conditional-mutual-information")
    report = measure(batch, rng=np.random.default_rng(0))
    order = np.argsort(-report.values[:, 0])
    assert order[0] in (0, 3)
    assert order[1] == 1
    single = registry.measures.load("mutual-information")(batch, rng=np.random.default_rng(0)).values[:, 0]
    assert set(np.argsort(-single)[:2]) == {0, 3}


def test_labels_may_be_the_target_of_the_conditional_order(source):
    found = scored("conditional-mutual-information", source, target="labels")
    assert found.values[:, COLUMN["segmentation"]].argmax() == planted.DECISIVE["segmentation"]
    assert found.details["determined"][1].shape == (len(planted.TASKS),)
    with pytest.raises(MooFsError, match="no target 'label'; did you mean 'labels'"):
        scored("conditional-mutual-information", source, target="label")


def test_an_order_that_rounding_decides_is_doubted_by_the_measure():
    features = torch.randn(12, 4, 20, 20, generator=torch.Generator().manual_seed(2)) * 5
    output = features[:, [1]]
    batch = Batch(features, tasks=(Task("one", kind="image"),), outputs={"one": output}, targets={"one": output})
    measure = registry.measures.load("conditional-mutual-information")
    report = measure(batch, rng=np.random.default_rng(0), width="published")
    assert any("steps are determined" in doubt for doubt in report.doubts)


def test_scores_of_an_order_fall_from_one_by_equal_steps():
    np.testing.assert_allclose(from_order([3, 1, 0, 2]), [0.5, 0.75, 0.25, 1.0])
    with pytest.raises(MooFsError, match="wanted every channel from 0 to 2 once"):
        from_order([0, 0, 2])


# Information


def test_information_measures_report_what_their_estimates_rest_on(source):
    found = scored("mutual-information", source, permutations=2)
    assert found.details["pairs"][1] == 320
    assert (found.details["share_of_entropy"][1] <= 1).all()
    assert found.details["tied"][1][planted.DEAD] == 1
    assert found.spread.shape == found.null.shape == (len(planted.TASKS),)
    assert (found.spread > 0).all()


def test_too_few_pairs_a_cluster_are_doubted(source):
    found = scored("mutual-information", source, clusters=64, pairs=100)
    assert any("are too few" in doubt for doubt in found.doubts)


def test_channels_whose_points_see_only_themselves_are_refused_by_the_pairwise_estimator():
    features = torch.randn(30, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    features[:, 1] = features[:, 1].sign()
    output = features[:, [0]]
    batch = Batch(features, tasks=(Task("one", kind="image"),), outputs={"one": output})
    measure = registry.measures.load("mutual-information-kde")
    report = measure(batch, rng=np.random.default_rng(0), patch=6, clusters=8)
    assert report.values[0, 0] == 0
    assert report.details["self_share"][1][0, 0] > 0.5
    assert any("are refused" in doubt for doubt in report.doubts)


def smooth_in_images(images=60):
    """Features and outputs that know nothing of each other, and are alike within an image."""
    draws = torch.Generator().manual_seed(4)
    features = torch.randn(images, 3, 1, 1, generator=draws) + 0.1 * torch.randn(images, 3, 8, 8, generator=draws)
    output = torch.randn(images, 1, 1, generator=draws) + 0.1 * torch.randn(images, 8, 8, generator=draws)
    return Batch(features, tasks=(Task("depth", kind="values"),), outputs={"depth": output})


def test_a_null_of_whole_images_sees_that_smooth_channels_only_seem_to_tell_something():
    batch = smooth_in_images()
    ross = registry.measures.load("mutual-information")(batch, rng=np.random.default_rng(0), permutations=20)
    assert ross.values.min() > 0.2  # which is not information: patches of one image are no independent samples
    assert (np.abs(ross.values - ross.null) < 4 * ross.spread).all()
    assert any("lie above the null" in doubt for doubt in ross.doubts)
    pairwise = registry.measures.load("mutual-information-kde")(batch, rng=np.random.default_rng(0), permutations=6)
    assert (np.abs(pairwise.values) < 4 * pairwise.spread).all()


def test_asking_for_a_null_moves_no_score(source):
    one = scored("mutual-information", source, queries=100)
    other = scored("mutual-information", source, queries=100, permutations=2)
    np.testing.assert_array_equal(one.values, other.values)


def test_an_output_that_says_nothing_scores_nothing_with_a_doubt_and_spares_the_other_tasks():
    features = torch.randn(40, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    tasks = (Task("same", kind="values"), Task("one", kind="values"))
    outputs = {"same": torch.ones(40, 4, 4), "one": features[:, 1]}
    batch = Batch(features, tasks=tasks, outputs=outputs, targets=outputs)
    for name in ("mutual-information", "mutual-information-kde", "conditional-mutual-information"):
        report = registry.measures.load(name)(batch, rng=np.random.default_rng(0))
        assert (report.values[:, 0] == 0).all()
        assert report.values[:, 1].argmax() == 1
        assert any(doubt.startswith("same: ") for doubt in report.doubts)


def test_a_part_of_the_images_stands_for_all_of_them_though_they_lie_in_an_order():
    # Channel 1 matters only in the second half of the images.
    draws = torch.Generator().manual_seed(0)
    features = torch.randn(64, 3, 4, 4, generator=draws)
    features[:32, 1] = 0.0
    head = nn.Conv2d(3, 1, 1, bias=False)
    with torch.no_grad():
        head.weight[0, :, 0, 0] = torch.tensor([0.3, 1.0, 0.0])
        target = head(features)
    tasks = [Task("sum", loss=lambda output, target: (output - target).square().mean((1, 2, 3)))]
    tables = fit_tables(features.numpy())
    ordered = Source({"sum": head}, tasks, features, {"sum": target}, features.mean((0, 2, 3)), tables=tables)
    for name in ("shapley", "distortion-table"):
        found = scored(name, ordered, images=8)
        assert found.values[:, 0].argmax() == 1
        assert found.samples == 8


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mutual-information", {"patch": "2"}, "wanted patch as a whole number, got '2'"),
        ("mutual-information", {"permutations": 1.5}, "wanted permutations of 0 or more, got 1.5"),
        ("mutual-information-kde", {"permutations": 1}, "wanted permutations of 2 or more, got 1"),
        ("mutual-information", {"pairs": 100.0}, "wanted pairs as a whole number"),
        ("shapley", {"orders": 5}, "wanted orders to be an even number from 4, got 5"),
        ("distortion-table", {"images": 0}, "wanted images of 1 or more, got 0"),
        ("noise-sensitivity", {"noise": -1.0}, "wanted noise above 0, got -1"),
        ("sensitivity-1-bit", {"others": 9}, "wanted others from 1 to 8, got 9"),
    ],
)
def test_options_out_of_range_are_refused_by_the_measures_name(name, options, words, source):
    with pytest.raises(MooFsError, match=f"measure '{name}': .*{words}"):
        scored(name, source, **options)
