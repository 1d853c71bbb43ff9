"""The split networks that ship with the package, by name."""

from __future__ import annotations

from moo_fs import registry

BUILTIN = {
    "camvid": (
        "moo_fs.subjects.camvid:camvid",
        "driving frames, 96 x 128; segmentation, boundary distance, reconstruction; wants CamVid and training on it",
        {"tasks": ["segmentation", "boundary", "reconstruction"], "channels": 64, "data": "CamVid"},
    ),
    "cityscapes": (
        "moo_fs.subjects.cityscapes:cityscapes",
        "street scenes, 256 x 512; segmentation, disparity, reconstruction; wants Cityscapes and training on it",
        {"tasks": ["segmentation", "disparity", "reconstruction"], "channels": 256, "data": "Cityscapes"},
    ),
    "fashion-scenes": (
        "moo_fs.subjects.fashion_scenes:fashion_scenes",
        "garments before textured ground, 64 x 64; segmentation, depth, reconstruction; trained",
        {"tasks": ["segmentation", "depth", "reconstruction"], "channels": 64},
    ),
    "linear-gaussian": (
        "moo_fs.subjects.linear_gaussian:linear_gaussian",
        "analytic: three additive tasks with a known front, nothing trained",
        {"tasks": ["a", "b", "c"], "channels": 24},
    ),
    "vgg16-cifar10": (
        "moo_fs.subjects.vgg16_cifar10:vgg16_cifar10",
        "VGG16 at a quarter of its width, cut after conv3_3; photographs, one task; wants the folder of CIFAR-10",
        {"tasks": ["classification"], "channels": 64, "data": "CIFAR-10"},
    ),
}


def register() -> None:
    """Put the built-in subjects into the registry; harmless when repeated."""
    registry.subjects.add_all(BUILTIN)
