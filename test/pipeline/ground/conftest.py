"""A world of a road and boxes whose labels and metric truth are computed by geometry alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from mfaranet_ros.labels import Role
from mfaranet_ros.pipeline.ground import CameraModel, MountingPose

ROAD, PAVEMENT, CAR, SKY, VOID = 0, 1, 2, 3, 255

COEFFICIENTS = {
    'pinhole': (),
    'plumb_bob': (-0.25, 0.08, 0.001, -0.0005, -0.01),
    'rational_polynomial': (0.3, 0.1, 5e-4, -3e-4, 0.01, 0.6, 0.2, 0.02),
    'equidistant': (0.02, -0.01, 0.003, -5e-4),
}


@pytest.fixture(scope='session')
def make_camera() -> Callable[..., CameraModel]:
    """Make a camera of a kind (a distortion model), with a wide field of view."""

    def make(kind: str, height: int = 360, width: int = 480, f: float = 0.0) -> CameraModel:
        f = f or width * (0.5 if kind == 'equidistant' else 0.8)
        cx, cy = 0.51 * width, 0.48 * height
        return CameraModel(width, height, f, 1.01 * f, cx, cy, kind, COEFFICIENTS[kind])

    return make


@dataclass(frozen=True)
class Box:
    """Something that stands on the ground: centre x, y, turned by yaw; metres and radians."""

    x: float
    y: float
    yaw: float
    length: float
    width: float
    height: float

    def _turned(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return c * x + s * y, c * y - s * x

    def covers(self, points: np.ndarray) -> np.ndarray:
        x, y = self._turned(points[..., 0] - self.x, points[..., 1] - self.y)
        return (abs(x) <= self.length / 2) & (abs(y) <= self.width / 2)

    def hit(self, origin: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Return the t at which origin + t * ahead (N, 3) enters the box, inf if never."""
        at = (*self._turned(origin[0] - self.x, origin[1] - self.y), origin[2])
        by = (*self._turned(ahead[:, 0], ahead[:, 1]), ahead[:, 2])
        sizes = (
            (-self.length / 2, self.length / 2),
            (-self.width / 2, self.width / 2),
            (0, self.height),
        )
        enter, leave = np.full(len(ahead), 1e-9), np.full(len(ahead), np.inf)
        for position, speed, (low, high) in zip(at, by, sizes, strict=True):
            speed = np.where(abs(speed) < 1e-12, 1e-12, speed)
            a, b = (low - position) / speed, (high - position) / speed
            enter, leave = np.maximum(enter, np.minimum(a, b)), np.minimum(leave, np.maximum(a, b))
        return np.where(leave > enter, enter, np.inf)

    def outline(self, step_m: float = 0.05) -> np.ndarray:
        """Return points (N, 2) around the box, a millimetre outside."""
        half = np.array((self.length, self.width)) / 2 + 1e-3
        along = [np.linspace(-h, h, max(2, int(2 * h / step_m))) for h in half]
        sides = [np.column_stack((along[0], np.full(len(along[0]), s * half[1]))) for s in (-1, 1)]
        sides += [
            np.column_stack((np.full(len(along[1]), s * half[0]), along[1])) for s in (-1, 1)
        ]
        x, y = np.concatenate(sides).T
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return np.column_stack((self.x + c * x - s * y, self.y + s * x + c * y))


@dataclass(frozen=True)
class Scene:
    """A road that bends, pavement beside it, and boxes."""

    boxes: tuple[Box, ...]
    half_width_m: float = 3.5
    bend: float = 0.01

    def is_road(self, points: np.ndarray) -> np.ndarray:
        return abs(points[..., 1] - self.bend * points[..., 0] ** 2 / 2) < self.half_width_m

    def labels(self, camera: CameraModel, pose: MountingPose) -> np.ndarray:
        """Return what each pixel's centre sees, uint8 (H, W)."""
        pixels = np.indices(camera.size)[::-1].reshape(2, -1).T
        ahead, origin = pose.to_base(camera.rays(pixels)), np.array(pose.position_m)
        sees_ground = ahead[:, 2] < 0
        to_ground = np.where(sees_ground, -origin[2] / np.where(sees_ground, ahead[:, 2], -1), 0)
        ground = origin[:2] + ahead[:, :2] * to_ground[:, None]
        labels = np.where(self.is_road(ground), ROAD, PAVEMENT)
        labels[~sees_ground] = SKY
        to_box = np.min([box.hit(origin, ahead) for box in self.boxes], axis=0, initial=np.inf)
        labels[to_box < np.where(sees_ground, to_ground, np.inf)] = CAR
        labels[np.isnan(ahead[:, 0])] = VOID
        return labels.reshape(camera.size).astype(np.uint8)

    def is_hidden(self, points: np.ndarray, pose: MountingPose) -> np.ndarray:
        """Return which points (N, 2) of the ground a box covers or hides."""
        origin = np.array(pose.position_m)
        ahead = np.column_stack((points, np.zeros(len(points)))) - origin
        hidden = np.zeros(len(points), bool)
        for box in self.boxes:
            hidden |= (box.hit(origin, ahead) < 1 - 1e-6) | box.covers(points)
        return hidden

    def feet(self, pose: MountingPose) -> np.ndarray:
        """Return the points (N, 2) of the boxes' outlines that are not hidden."""
        points = np.concatenate([np.empty((0, 2)), *(box.outline() for box in self.boxes)])
        return points[~self.is_hidden(points, pose)]


@pytest.fixture(scope='session')
def roles() -> np.ndarray:
    table = np.full(256, Role.UNLABELED, np.uint8)
    table[[ROAD, PAVEMENT, CAR, SKY]] = (
        Role.DRIVABLE, Role.GROUND, Role.OBSTACLE, Role.BACKGROUND,
    )  # fmt: skip
    return table


@pytest.fixture(scope='session')
def make_scene() -> Callable[..., Scene]:
    """Make a scene of boxes, each given as x, y, yaw, length, width, height."""
    return lambda *boxes, **road: Scene(tuple(Box(*box) for box in boxes), **road)


@pytest.fixture(scope='session')
def street(make_scene: Callable[..., Scene]) -> Scene:
    """Cars, persons, poles, a low thing one looks over, and a wall along the road."""
    return make_scene(
        (12, -2.6, 0.02, 4.2, 1.8, 1.5),
        (25, 2.8, 0.0, 4.5, 1.8, 1.45),
        (30, -4.2, 0.2, 4.2, 1.8, 1.5),
        (18, 1.0, 0.3, 0.4, 0.4, 1.75),
        (8, 4.5, 0.0, 0.5, 0.5, 1.7),
        (35, 4.0, 0.0, 0.5, 0.6, 1.7),
        (14, 3.0, 0.4, 0.4, 0.4, 0.6),
        (6, -6.0, 0.0, 0.15, 0.15, 3.0),
        (15, 6.0, 0.0, 0.12, 0.12, 4.0),
        (20, 9.0, 0.1, 40, 0.5, 6.0),
    )
