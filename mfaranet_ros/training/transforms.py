# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Random changes of a training image and its labels, all drawn from one generator.

Scaling, rotation, flip, crop and another camera's view are one map from the result to the image,
so every pixel is interpolated once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.data.labels import Pixels
from mfaranet_ros.training.conditions import apply_condition
from mfaranet_ros.training.config import AugmentConfig
from mfaranet_ros.training.datasets import Sample
from mfaranet_ros.training.paste import Paste
from mfaranet_ros.training.views import PointMap, draw_view

Random = np.random.Generator

Affine = NDArray[np.float64]
"""(2, 3): from the pixel (x, y, 1) of the result to the pixel (x, y) of the image."""

_LUMA = np.array([0.299, 0.587, 0.114])
_GRAY = 128.0


@dataclass(frozen=True, eq=False)
class Augment:
    """Makes training samples of one size, `augment.height` by `augment.width`.

    fill: red, green and blue, 0 to 255, of what lies outside the image; its label is 255.
    paste: what adds objects of rare classes, None for nothing.
    """

    config: AugmentConfig
    fill: tuple[float, float, float]
    paste: Paste | None = None

    def __call__(self, sample: Sample, random: Random) -> Sample:
        """Return a changed copy, uint8 (h, w, 3) and (h, w)."""
        config = self.config
        if self.paste is not None and random.random() < config.paste_share:
            sample = self.paste(sample, random)
        affine = draw_affine(config, sample.labels.shape, random, sample.scale)
        if config.view_share and random.random() < config.view_share:
            name = config.views[int(random.integers(len(config.views)))]
            image, labels = self._remap(sample, affine, draw_view(name, random))
        else:
            image, labels = self._warp(sample, affine)
        if random.random() < config.color_share:
            image = change_colors(image, config, random)
        if config.condition_share and random.random() < config.condition_share:
            name = config.conditions[int(random.integers(len(config.conditions)))]
            image = apply_condition(name, image, random)
        if random.random() < config.blur_share:
            sigma = random.uniform(0.1, config.blur_px)
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
        return Sample(sample.name, image, labels, sample.scale)

    def _warp(self, sample: Sample, affine: Affine) -> tuple[Pixels, Pixels]:
        size = self.config.width, self.config.height
        image = cv2.warpAffine(
            sample.image,
            affine,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=self.fill,
        )
        labels = cv2.warpAffine(
            sample.labels,
            affine,
            size,
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(UNLABELED,),
        )
        return np.asarray(image, np.uint8), np.asarray(labels, np.uint8)

    def _remap(self, sample: Sample, affine: Affine, view: PointMap) -> tuple[Pixels, Pixels]:
        return remap(sample, affine, view, (self.config.height, self.config.width), self.fill)


def remap(
    sample: Sample,
    affine: Affine,
    view: PointMap,
    size: tuple[int, int],
    fill: tuple[float, float, float],
) -> tuple[Pixels, Pixels]:
    """Return image and labels, uint8 (h, w, 3) and (h, w) of a size, in another camera's view.

    fill: as of `Augment`.
    """
    height, width = sample.labels.shape
    matrix = affine.astype(np.float32)
    y, x = np.indices(size, np.float32)
    middle = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)[:, None, None]
    place = np.stack([m[0] * x + m[1] * y + m[2] for m in matrix])
    half = np.float32(width / 2)
    columns, rows = view((place - middle) / half) * half + middle
    image = cv2.remap(
        sample.image,
        columns,
        rows,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill,
    )
    labels = cv2.remap(
        sample.labels,
        columns,
        rows,
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(UNLABELED,),
    )
    return np.asarray(image, np.uint8), np.asarray(labels, np.uint8)


def draw_affine(
    config: AugmentConfig, size: tuple[int, ...], random: Random, factor: float = 1.0
) -> Affine:
    """Draw scale, rotation about the middle, flip and crop for an image of (height, width).

    factor: what the drawn scale is multiplied by. A scaled image that is smaller than the crop
    lies somewhere within it.
    """
    scale = factor * draw_scale(config, random)
    rotated = random.random() < config.rotation_share
    angle = math.radians(random.uniform(-config.rotation_deg, config.rotation_deg)) * rotated
    flip = random.random() < config.flip_share
    scaled = scale * np.array([size[1], size[0]], float)  # width and height in the result's px
    slack = scaled - (config.width, config.height)
    offset = random.random(2) * slack
    # Backwards, for points and not pixels: from the crop to the scaled image, its middle being
    # the origin, then flip and rotation, and back to the image.
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    matrix = turn @ np.diag([-1.0 if flip else 1.0, 1.0]) / scale
    start = matrix @ (offset - scaled / 2) + scaled / 2 / scale
    half = np.full(2, 0.5)  # the middle of a pixel is half a pixel from its corner
    return np.column_stack([matrix, matrix @ half + start - half])


def draw_scale(config: AugmentConfig, random: Random) -> float:
    """Draw a scale, evenly by itself or by its logarithm."""
    low, high = config.scale_min, config.scale_max
    if config.log_scale:
        return math.exp(random.uniform(math.log(low), math.log(high)))
    return float(random.uniform(low, high))


def change_colors(image: Pixels, config: AugmentConfig, random: Random) -> Pixels:
    """Change brightness, contrast, saturation and hue in one linear map, then the gamma."""

    def around_one(largest: float) -> float:
        return 1 + float(random.uniform(-largest, largest))

    brightness, contrast = around_one(config.brightness), around_one(config.contrast)
    saturation = around_one(config.saturation)
    hue = math.radians(random.uniform(-config.hue_deg, config.hue_deg))
    gamma = math.exp(random.uniform(-config.gamma, config.gamma))
    luma = np.tile(_LUMA, (3, 1))  # turns every colour into its gray
    color = luma + saturation * (np.eye(3) - luma) @ _turn_hue(hue)
    # Contrast is the distance from middle gray, brightness a factor on all.
    linear = brightness * contrast * color
    constant = np.full((3, 1), brightness * (1 - contrast) * _GRAY)
    changed = cv2.transform(image, np.hstack([linear, constant]))
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return np.asarray(cv2.LUT(changed, table), np.uint8)


def _turn_hue(angle: float) -> NDArray[np.float64]:
    """Return the rotation of RGB about the gray axis."""
    axis = np.full(3, 1 / math.sqrt(3))
    across = np.array(
        [[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]]
    )  # the cross product with the axis
    turned: NDArray[np.float64] = (
        math.cos(angle) * np.eye(3)
        + math.sin(angle) * across
        + (1 - math.cos(angle)) * np.outer(axis, axis)
    )
    return turned
