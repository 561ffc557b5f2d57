# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The frozen values that travel from a camera message to the published results.

Pixel coordinates are (u, v) with u to the right and v down, (0, 0) the centre of the first
pixel. Metric coordinates are in the base frame of REP-105: x forward, y left, z up, in metres.
Times are integer nanoseconds.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNLABELED = 255
"""The mask value of a pixel that belongs to no class of the label set."""

CHANNELS = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, 'mono8': 1}
"""The encodings a frame may have, with their number of channels."""


class Output(enum.Enum):
    """What can be asked of the pipeline; what nobody asks for is not computed."""

    MASK = 'mask'
    CONFIDENCE = 'confidence'
    DRIVABLE_MASK = 'drivable_mask'
    GRID = 'grid'
    BOUNDARY = 'boundary'
    POINTS = 'points'
    FREE_RIM = 'free_rim'
    EVIDENCE = 'evidence'
    GROUND_CLOUD = 'ground_cloud'


METRIC_OUTPUTS = frozenset({
    Output.GRID, Output.BOUNDARY, Output.POINTS, Output.FREE_RIM, Output.EVIDENCE,
    Output.GROUND_CLOUD,
})  # fmt: skip
"""The outputs in metres, which need a calibrated camera."""

CONFIDENT_OUTPUTS = METRIC_OUTPUTS | {Output.DRIVABLE_MASK}
"""The outputs that treat pixels below `drivable.min_confidence` as unsure."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One camera image as it was delivered.

    pixels: uint8 (H, W, C), a view into the message where its encoding is one of CHANNELS
            (rows may be padded), else a converted copy.
    encoding: one of CHANNELS; C is its number of channels.
    stamp_ns: when the camera took it, from the message header, never changed.
    frame_id: the optical frame, from the message header, never changed.
    """

    pixels: NDArray[np.uint8]
    encoding: str
    stamp_ns: int
    frame_id: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class Geometry:
    """How network pixels relate to camera pixels.

    The camera image is scaled to `content` and stands in `input`, its upper left corner at
    `offset`; the rest of the input is padding. All are (height, width) or (row, column) in pixels.
    """

    camera: tuple[int, int]
    content: tuple[int, int]
    input: tuple[int, int]
    offset: tuple[int, int] = (0, 0)

    def mask_size(self, resolution: str) -> tuple[int, int]:
        """Height and width of the masks for an `output.resolution`: `camera` or `network`."""
        return self.camera if resolution == 'camera' else self.content


@dataclass(frozen=True, eq=False)
class GroundGrid:
    """What is known of the ground around the vehicle, in the base frame.

    cells: int8 (rows along y, columns along x): 0 free, 100 blocked, -1 unseen.
    cells[0, 0] is the cell whose lower corner is (x_min_m, y_min_m).
    """

    cells: NDArray[np.int8]
    resolution_m: float
    x_min_m: float
    y_min_m: float


@dataclass(frozen=True, eq=False)
class GroundEvidence:
    """What one frame says about the ground: a grid, with what it takes to weigh it against others.

    confidence: uint8, of the shape of the cells, 255 is certain; None where all is.
    covered: bool, of the same shape, cells in view before which, or on which, something stands.
    feet: bool, of the same shape, blocked cells in which the foot of something is, as far as its
        pixel shows it; the other blocked cells are ground that is seen itself.
    in_view: int64 (M,), row * columns + column of the cells whose centre is in the image.
    camera_m: x, y and z of the camera in the base frame.
    pixel_rad: how wide a pixel in the middle of the image is.
    """

    grid: GroundGrid
    confidence: NDArray[np.uint8] | None
    covered: NDArray[np.bool_]
    feet: NDArray[np.bool_]
    in_view: NDArray[np.int64]
    camera_m: tuple[float, float, float]
    pixel_rad: float


@dataclass(frozen=True, eq=False)
class Points:
    """Points on the ground: obstacle feet first, then points of the rim of the free space.

    xyz_m: float32 (N, 3) in the base frame; labels: uint8 (N,) class ids;
    confidence: uint8 (N,), 255 is certain (also where no confidence was computed).
    feet: how many of the points are feet of obstacles.
    """

    xyz_m: NDArray[np.float32]
    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    feet: int = 0


@dataclass(frozen=True, eq=False)
class Drivable:
    """The drivable area of one frame; what was not asked for, or cannot be known, is None.

    mask: uint8 (H, W): 255 drivable, 0 not, 127 unsure.
    boundary_m: float32 (B, 2), x and y of one vertex per bearing, counter-clockwise.
    near_edge_m: float32 (2, 2), x and y where the visible ground begins on the last and on the
        first bearing: with them the boundary is the outline of the free space. (0, 2) where the
        view goes all around.
    points: obstacle feet, and the boundary where no obstacle ends it.
    free_rim: the boundary on every bearing on which ground is seen.
    cloud_m: float32 (H, W, 3), x, y and z of the ground that each pixel sees, or of the foot of
        what stands there; NaN where that is not known.
    problem: why metric outputs that were asked for are None; empty if they are not.
    metric_range_m: how far ahead metres are good, None where the tilt is not estimated;
        range_reason: why. mount_problem: a constant tilt of the camera that was found, or empty.
    """

    mask: NDArray[np.uint8] | None = None
    grid: GroundGrid | None = None
    boundary_m: NDArray[np.float32] | None = None
    near_edge_m: NDArray[np.float32] | None = None
    points: Points | None = None
    free_rim: Points | None = None
    evidence: GroundEvidence | None = None
    cloud_m: NDArray[np.float32] | None = None
    problem: str = ''
    metric_range_m: float | None = None
    range_reason: str = ''
    mount_problem: str = ''


@dataclass(frozen=True)
class Timings:
    """Wall time of each stage of one frame in milliseconds; None where a stage did not run.

    drivable_ms spans the drivable mask, grid, boundary and points, which follow one by one;
    points_ms includes the free rim.
    Frames of a batch share one inference; each carries its whole time.
    """

    decode_ms: float | None = None
    preprocess_ms: float | None = None
    inference_ms: float | None = None
    postprocess_ms: float | None = None
    drivable_ms: float | None = None
    drivable_mask_ms: float | None = None
    grid_ms: float | None = None
    boundary_ms: float | None = None
    points_ms: float | None = None

    def items(self) -> Iterator[tuple[str, float]]:
        """Yield name (without `_ms`) and milliseconds of each stage that ran, in order."""
        return stages_of(self)


def stages_of(times: Any) -> Iterator[tuple[str, float]]:
    """Yield name (without `_ms`) and milliseconds of a dataclass of times; None is left out."""
    for field in dataclasses.fields(times):
        value = getattr(times, field.name)
        if value is not None:
            yield field.name.removesuffix('_ms'), value


@dataclass(frozen=True, eq=False)
class Result:
    """The segmentation of one frame.

    frame: the image it was computed from, whose stamp and frame_id the outputs carry.
    labels: uint8 (H, W) class ids at camera size (or at network size, by configuration).
    confidence: uint8 (H, W), the probability of the chosen class times 255, or None.
    """

    frame: Frame
    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None
    drivable: Drivable
    timings: Timings

    @property
    def stamp_ns(self) -> int:
        """When the camera took the image, in nanoseconds."""
        return self.frame.stamp_ns

    @property
    def frame_id(self) -> str:
        """The optical frame of the image."""
        return self.frame.frame_id


MessageLike = Any
"""Anything with the attributes of a ROS message: rclpy's, rosbags', or a test's own."""


def stamp_of(message: MessageLike) -> int:
    """Return the stamp of a message in nanoseconds: of its header, or of a CompressedVideo."""
    stamp = message.timestamp if hasattr(message, 'timestamp') else message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
