"""Every registered measure keeps the contract, and finds what was planted."""

from dataclasses import replace

import numpy as np
import planted
import pytest
import torch

from moo_fs import measures, registry
from moo_fs.measures import patches
from moo_fs.scoring import Source, draw, score
from moo_fs.split import Batch
from moo_fs.tasks import Task

measures.register()
NAMES = sorted(measures.BUILTIN)
# They look at no image, so that a block's draw does not move them.
OF_WEIGHTS = {"l1-norm-weights", "l2-norm-weights", "geometric-median-weights", "batch-norm-scale"}
WITH_NULL = {"mutual-information-kde"}
COLUMN = {task.name: column for column, task in enumerate(planted.TASKS)}


def load(name):
    return registry.as_measure(registry.measures.load(name))


@pytest.fixture(scope="module")
def source():
    return planted.source()


@pytest.fixture(scope="module")
def found(source):
    return {name: score(load(name), source, seed=0) for name in NAMES}


def test_the_table_holds_what_its_names_say_and_registers_twice():
    measures.register()
    assert set(NAMES) <= set(registry.measures.names())
    assert all(load(name).name == name for name in NAMES)


# Contract


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_finite_with_one_row_a_channel_and_one_column_a_task(name, found):
    assert found[name].values.shape == (planted.CHANNELS, len(planted.TASKS))
    assert found[name].values.dtype == np.float64
    assert np.isfinite(found[name].values).all()
    assert found[name].samples == 20
    assert (found[name].null is not None) == (name in WITH_NULL)
    assert all(np.isfinite(values).all() for _, values in found[name].details.values())


@pytest.mark.parametrize("name", NAMES)
def test_scores_repeat_by_seed_and_move_with_it(name, found, source):
    np.testing.assert_array_equal(score(load(name), source, seed=0).values, found[name].values)
    assert (score(load(name), source, seed=1).values != found[name].values).any() == (name not in OF_WEIGHTS)


@pytest.mark.parametrize(
    "name", ["random", "l1-norm", "l2-norm", "variance", "geometric-median", "effective-rank", *sorted(OF_WEIGHTS)]
)
def test_measures_that_know_no_task_score_all_tasks_alike(name, found):
    assert (found[name].values == found[name].values[:, :1]).all()


@pytest.mark.parametrize(
    "name",
    ["l1-norm", "l2-norm", "variance", "effective-rank", "mutual-information", "mutual-information-kde", "taylor",
     "taylor-squared", "fisher", "sensitivity", "sensitivity-1-bit", "noise-sensitivity", "distortion-table",
     "shapley"],
)  # fmt: skip
def test_a_dead_channel_scores_nothing(name, found):
    assert (found[name].values[planted.DEAD] == 0).all()


ASKS_HEADS = ["taylor", "taylor-squared", "fisher", "sensitivity", "sensitivity-1-bit", "noise-sensitivity",
              "distortion-table", "shapley"]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["mutual-information", "mutual-information-kde", "conditional-mutual-information", *ASKS_HEADS]
)
@pytest.mark.parametrize("task", sorted(planted.DECISIVE))
def test_the_channel_that_decides_a_task_scores_highest(name, task, found):
    values = found[name].values[:, COLUMN[task]]
    assert values.argmax() == planted.DECISIVE[task]


@pytest.mark.parametrize("name", ASKS_HEADS)
def test_a_channel_that_no_head_listens_to_scores_nothing_where_heads_are_asked(name, found):
    assert np.abs(found[name].values[4]).max() < 1e-9


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("l2-norm", 0),
        ("l1-norm-weights", 0),
        ("batch-norm-scale", 0),
        ("effective-rank", 0),
        ("mutual-information", 1),
        ("mutual-information-kde", 1),
        ("conditional-mutual-information", 1),
        ("taylor", 3),
        ("fisher", 3),
        ("sensitivity", planted.CHANNELS + 1),
        ("sensitivity-1-bit", planted.CHANNELS + 1),
        ("noise-sensitivity", planted.CHANNELS + 1),
        ("distortion-table", 9 * planted.CHANNELS + 1),
        ("shapley", 8 * (planted.CHANNELS + 1)),
    ],
)
def test_head_passes_are_counted_as_documented(name, passes, found):
    assert found[name].head_passes == pytest.approx(20 * passes)


# Theory


def two_channels(first, second):
    features = torch.stack([torch.as_tensor(first), torch.as_tensor(second)], dim=1).float()
    return Source({}, [Task("depth", kind="values")], features, {}, features.mean((0, 2, 3)))


def test_norms_and_variance_of_maps_written_down_by_hand():
    # Two images of 1 x 2: maps (3, -4) and (0, 0); constant 2.
    pair = two_channels([[[3.0, -4.0]], [[0.0, 0.0]]], np.full((2, 1, 2), 2.0))
    wanted = {"l1-norm": [3.5, 4.0], "l2-norm": [2.5, np.sqrt(8)], "variance": [6.1875, 0.0]}
    for name, values in wanted.items():
        np.testing.assert_allclose(score(load(name), pair, seed=0).values[:, 0], values, rtol=1e-6)


def test_equal_channels_are_nearest_to_the_geometric_median():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(6, 4, 3, 3)).astype(np.float32)
    maps[:, 1] = maps[:, 0]
    features = torch.from_numpy(maps)
    one = Source({}, [Task("depth", kind="values")], features, {}, features.mean((0, 2, 3)))
    values = score(load("geometric-median"), one, seed=0).values[:, 0]
    kept = maps[draw(6, 0)]
    by_hand = [
        sum(np.mean([np.linalg.norm(image[i] - image[j]) for image in kept]) for j in range(4)) for i in range(4)
    ]
    np.testing.assert_allclose(values, by_hand, rtol=1e-6)
    assert values[0] == values[1]


def test_sensitivity_of_a_linear_head_is_the_weighted_variance(source):
    # depth = 3 x; target = depth + noise: the increase of the squared error is 9 (x - mean)^2 + 6 (x - mean) noise.
    value = score(load("sensitivity"), source, seed=0).values[planted.DECISIVE["depth"], COLUMN["depth"]]
    index = draw(40, 0)
    x = source.features[index, 2]
    noise = source.targets["depth"][index] - 3 * x
    increase = 9 * (x - source.means[2]) ** 2 + 6 * (x - source.means[2]) * noise
    by_hand = torch.nanmean(increase.flatten(1), dim=1).mean()
    assert value == pytest.approx(float(by_hand), rel=1e-4)


def test_mutual_information_is_found_under_any_scale_of_the_channels(source):
    scaled = replace(source, features=source.features * torch.tensor([1.0, 1e-6, 1e6, 1.0, 1.0]).reshape(-1, 1, 1))
    tasks = [COLUMN["depth"]]
    one = score(load("mutual-information"), source, seed=0).values[:, tasks]
    other = score(load("mutual-information"), scaled, seed=0).values[:, tasks]
    assert other.argmax() == one.argmax() == planted.DECISIVE["depth"]


def test_a_permutation_null_is_near_zero_and_reported_when_asked_for(source):
    result = score(load("mutual-information"), source, seed=0, options={"permutations": 3, "clusters": 4})
    assert result.null is not None
    assert result.null.shape == (len(planted.TASKS),)
    assert np.abs(result.null).max() < 0.1
    assert result.values[planted.DECISIVE["depth"], COLUMN["depth"]] > 0.3


def test_boxes_and_pooled_features_are_scored_by_mutual_information():
    # Boxes (sample, box, 5) that follow channel 1; features 1 x 1, as after full pooling.
    features = torch.randn(300, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    boxes = features[:, 1].reshape(-1, 1, 1) * torch.ones(1, 2, 5)
    task = Task("boxes", loss=lambda output, target: (output - target).abs().mean((1, 2)))
    batch = Batch(features, tasks=(task,), outputs={"boxes": boxes})
    values = load("mutual-information").function(batch, rng=np.random.default_rng(0)).values
    assert values.shape == (3, 1)
    assert values[1, 0] > 1.0 > 0.3 > max(values[0, 0], values[2, 0])


@pytest.mark.parametrize(("images", "clusters"), [(4, [2, 3]), (60, [3, 48]), (100, [5, 64]), (200, [10, 64])])
def test_clusters_are_a_twentieth_of_the_pairs_at_most_64(images, clusters, monkeypatch):
    # Maps of 8 x 8 have 16 patches of side 2; an output without space has one patch an image.
    seen = []

    def spy(output, *, kind, patch, clusters, rng):
        seen.append(clusters)
        return np.arange(len(output) * (1 if output.ndim == 2 else 16)).reshape(len(output), *_grid(output)) % 2

    monkeypatch.setattr(patches, "cluster_outputs", spy)
    tasks = (Task("grade", kind="classes", classes=3), Task("depth", kind="values"))
    outputs = {"grade": torch.zeros(images, 3), "depth": torch.zeros(images, 8, 8)}
    features = torch.randn(images, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    batch = Batch(features, tasks=tasks, outputs=outputs)
    load("mutual-information").function(batch, rng=np.random.default_rng(0), pairs=2000, queries=20)
    assert seen == clusters


def _grid(output):
    return (1, 1) if output.ndim == 2 else (4, 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patch": 9}, "patch from 1 to 8"),
        ({"pairs": 3}, "at least 20 pairs"),
        ({"clusters": 1}, "at least 2 clusters"),
        ({"permutations": -1}, "permutations of 0 or more"),
        ({"neighbors": 3}, "no option 'neighbors'; did you mean 'neighbours'?"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words, source):
    with pytest.raises(registry.MooFsError, match=words.replace("?", r"\?")):
        score(load("mutual-information"), source, seed=0, options=options)
