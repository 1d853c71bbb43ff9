"""`moo_fs.outcomes.image_sums`, compiled: the same sums in one pass over each output.

Cross-entropy needs log(sum of exponentials) per pixel. Exponentials are computed in float32 by range reduction and a
polynomial (Cody, W. and Waite, W. (1980), "Software manual for the elementary functions"), over runs of pixels so that
the compiler vectorises; logarithms are taken of products over several pixels, since log a + log b = log ab.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from torch import Tensor

from moo_fs.contracts import Floats, MooFsError
from moo_fs.tasks import IGNORED, Task

Scorer = Callable[[Tensor, slice], Floats]
RUN = 128  # pixels a run: a row of logits per class stays in the first-level cache


def scorer(task: Task, target: Tensor) -> Scorer | None:
    """A function (output of some images, which images) -> sums (image, stat), with the targets laid out once.

    None for a custom task, and for a target that only the plain form knows how to read.
    """
    if task.kind == "classes":
        return _class_scorer(task, target)
    if task.kind in ("values", "image"):
        return _square_scorer(task, target)
    return None


def _class_scorer(task: Task, target: Tensor) -> Scorer:
    classes = task.classes or 0
    labels = target.numpy().reshape(len(target), -1)
    wrong = labels[(labels != IGNORED) & ((labels < 0) | (labels >= classes))]
    if len(wrong):
        raise MooFsError(f"task '{task.name}': wanted labels 0 to {classes - 1} or {IGNORED}, got {wrong[0]}")
    labels = np.where(labels == IGNORED, -1, labels).astype(np.int32)
    wanted = (classes, *target.shape[1:])

    def score(output: Tensor, images: slice) -> Floats:
        _same(task, tuple(output.shape[1:]), wanted)
        logits = output.float().contiguous().numpy().reshape(len(output), classes, -1)
        return np.asarray(class_sums(logits, labels[images]))

    return score


def _square_scorer(task: Task, target: Tensor) -> Scorer:
    flat = np.ascontiguousarray(target.float().numpy().reshape(len(target), -1))
    wanted = tuple(target.shape[1:])
    kernel = value_sums if task.kind == "values" else square_sums

    def score(output: Tensor, images: slice) -> Floats:
        _same(task, tuple(output.shape[1:]), wanted)
        values = output.float().contiguous().numpy().reshape(len(output), -1)
        return np.asarray(kernel(values, flat[images]))

    return score


def _same(task: Task, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if got != wanted:
        raise MooFsError(f"task '{task.name}': wanted an output of shape (image, {wanted}), got (image, {got})")


@njit(cache=True, nogil=True)
def class_sums(logits, labels):  # type: ignore[no-untyped-def]
    """Cross-entropy, valid pixels and confusion matrix per image; logits (image, class, pixel), labels -1 = ignored."""
    images, classes, pixels = logits.shape
    found = np.zeros((images, 2 + classes * classes))
    largest, total = np.empty(pixels, np.float32), np.empty(pixels, np.float32)
    winner = np.zeros(pixels, np.int32)
    for image in range(images):
        largest[:] = -np.inf
        total[:] = 0.0
        for first in range(0, pixels, RUN):
            last = min(first + RUN, pixels)
            for label in range(classes):
                _raise_largest(logits[image, label, first:last], largest[first:last], winner[first:last], label)
            for label in range(classes):
                _add_exponential(logits[image, label, first:last], largest[first:last], total[first:last])
        _count(logits[image], labels[image], largest, total, winner, found[image])
    return found


@njit(cache=True, nogil=True)
def _raise_largest(logits, largest, winner, label):  # type: ignore[no-untyped-def]
    """Keep the largest logit and the first class that has it; all (pixel,)."""
    name = np.int32(label)
    for pixel in range(len(logits)):
        better = logits[pixel] > largest[pixel]
        winner[pixel] = name if better else winner[pixel]
        largest[pixel] = logits[pixel] if better else largest[pixel]


@njit(cache=True, nogil=True)
def _add_exponential(logits, largest, total):  # type: ignore[no-untyped-def]
    """Add exp(logit - largest) to the total; all (pixel,). Below -87 it is 1e-38, as good as 0."""
    for pixel in range(len(logits)):
        gap = logits[pixel] - largest[pixel]
        x = np.float32(-87.0) if gap < np.float32(-87.0) else gap  # so that nan stays nan
        whole = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
        rest = x - whole * np.float32(0.693359375) - whole * np.float32(-2.12194440e-4)
        y = np.float32(1.9875691500e-4) * rest + np.float32(1.3981999507e-3)
        y = y * rest + np.float32(8.3334519073e-3)
        y = y * rest + np.float32(4.1665795894e-2)
        y = y * rest + np.float32(1.6666665459e-1)
        y = y * rest + np.float32(5.0000001201e-1)
        y = y * rest * rest + rest + np.float32(1.0)
        power = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23))
        total[pixel] += y * power.view(np.float32)


@njit(cache=True, nogil=True)
def _count(logits, labels, largest, total, winner, row):  # type: ignore[no-untyped-def]
    """Add one run of pixels to an image's sums."""
    classes, size = logits.shape
    product, entropy, valid = 1.0, 0.0, 0
    for pixel in range(size):
        label = labels[pixel]
        if label >= 0:
            entropy += largest[pixel] - logits[label, pixel]
            product *= total[pixel]  # between 1 and `classes`
            if product > 1e200:
                entropy += np.log(product)
                product = 1.0
            row[2 + label * classes + winner[pixel]] += 1.0
            valid += 1
    row[0] += entropy + np.log(product)
    row[1] += valid


@njit(cache=True, nogil=True)
def value_sums(output, target):  # type: ignore[no-untyped-def]
    """Squared error, valid pixels, relative error, pixels of non-zero target per image; both (image, pixel)."""
    found = np.zeros((len(output), 4))
    for image in range(len(output)):
        squares, valid, relative, counted = 0.0, 0.0, 0.0, 0.0
        for pixel in range(output.shape[1]):
            wanted = float(target[image, pixel])
            if not np.isnan(wanted):
                gap = float(output[image, pixel]) - wanted
                squares += gap * gap
                valid += 1.0
                if wanted != 0.0:
                    relative += abs(gap) / abs(wanted)
                    counted += 1.0
        found[image] = np.array((squares, valid, relative, counted))
    return found


@njit(cache=True, nogil=True)
def square_sums(output, target):  # type: ignore[no-untyped-def]
    """Squared error and number of values per image; both (image, value)."""
    found = np.zeros((len(output), 2))
    lanes = np.zeros(8)  # eight running sums: the order of additions is fixed, and they run side by side
    for image in range(len(output)):
        lanes[:] = 0.0
        size = output.shape[1]
        for first in range(0, size - size % 8, 8):
            for lane in range(8):
                gap = float(output[image, first + lane]) - float(target[image, first + lane])
                lanes[lane] += gap * gap
        for value in range(size - size % 8, size):
            gap = float(output[image, value]) - float(target[image, value])
            lanes[0] += gap * gap
        found[image, 0] = lanes.sum()
        found[image, 1] = size
    return found
