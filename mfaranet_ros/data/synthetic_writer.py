# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Writers for the frames of a scene: a folder or a bag that the other verbs can read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.core.files import write_file
from mfaranet_ros.core.frame import Frame, GroundGrid
from mfaranet_ros.data.bags.writer import BagWriter
from mfaranet_ros.data.calibration_file import calibration_yaml, stamped
from mfaranet_ros.data.synthetic_sensors import FOOTPRINT, SensorMessages, write_sensor_files
from mfaranet_ros.data.synthetic_source import ground_settings, mounting, scene_camera_info
from mfaranet_ros.pipeline import encode, messages
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruth
from mfaranet_ros.scenes.synthetic_scene import SceneFrame, SyntheticScene

START_NS = 1_600_000_000 * 10**9
"""The stamp of the first frame in a bag; 0 would mean no time at all."""

FRAME_ID, BASE_FRAME = 'camera', 'base_link'
IMAGE, CAMERA_INFO = '/camera/image_raw', '/camera/camera_info'
LABELS, GRID, BOUNDARY = '/truth/labels', '/truth/grid', '/truth/boundary'

FOLDERS = ('images', 'labels', 'metric')
FILES = ('calibration.yaml', 'scene.json')
JPEG_QUALITY = 95


class SceneOutput(Protocol):
    """Takes frames in order, then closes."""

    def add(self, frame: SceneFrame, ground_truth: MetricGroundTruth | None) -> None:
        """Write one frame with its ground truth."""

    def close(self) -> None:
        """Finish the output."""


class SceneFolder:
    """images/, labels/, metric/, calibration.yaml and scene.json in one folder.

    suffix: .png or .jpg, of the images. Raises OutputError where it cannot be written, or is
    there already.
    """

    def __init__(
        self, path: Path, drive: SyntheticScene, suffix: str, *, overwrite: bool = False
    ) -> None:
        self._path, self._drive, self._suffix = path, drive, suffix
        self._poses: list[dict[str, Any]] = []
        present = [name for name in (*FOLDERS, *FILES) if (path / name).exists()]
        if present and not overwrite:
            raise OutputError(f'{path} already has {present[0]}: give another DIR, or --overwrite')
        for name in FOLDERS:
            shutil.rmtree(path / name, ignore_errors=True)
        text = calibration_yaml(scene_camera_info(drive.camera))
        write_file(path / FILES[0], text, parents=True, advice='give another DIR')

    def add(self, frame: SceneFrame, ground_truth: MetricGroundTruth | None) -> None:
        """Write one frame."""
        name = f'{frame.index:06}'
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if self._suffix == '.jpg' else []
        bgr = np.ascontiguousarray(frame.rgb[:, :, ::-1])
        self._write_image(self._path / 'images' / f'{name}{self._suffix}', bgr, quality)
        self._write_image(self._path / 'labels' / f'{name}.png', frame.labels, [])
        if ground_truth is not None:
            file = self._path / 'metric' / f'{name}.npz'
            self._made(file, lambda: np.savez_compressed(file, **_arrays(ground_truth)))
        body = vars(frame.body) if self._drive.options.sensors else {}
        self._poses.append({'frame': name, 'stamp_ns': frame.stamp_ns, **vars(frame.pose), **body})

    def close(self) -> None:
        """Write calibration, options and poses of the whole scene."""
        if self._drive.options.sensors:
            write_sensor_files(self._path, self._drive)
        camera = self._drive.camera
        summary = {
            'seed': self._drive.world.seed,
            'label_set': self._drive.label_set,
            'options': vars(self._drive.options),
            'camera': {**vars(camera), 'coefficients': list(camera.coefficients)},
            'mounting': ground_settings(camera),
            'poses_of_base_link_in_the_world': self._poses,
        }
        text = json.dumps(summary, indent=2) + '\n'
        write_file(self._path / FILES[1], text, parents=True, advice='give another DIR')

    def _write_image(self, file: Path, pixels: Any, options: list[int]) -> None:
        data = cv2.imencode(file.suffix, pixels, options)[1].tobytes()
        self._made(file, lambda: write_file(file, data))

    def _made(self, file: Path, write: Callable[[], object]) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write()
        except OSError as error:
            raise OutputError(f'cannot write {file}: {error.strerror}') from error


class SceneBag:
    """An mcap bag with the images of a camera and, below /truth, their ground truth."""

    def __init__(self, path: Path, drive: SyntheticScene, *, overwrite: bool = False) -> None:
        self._drive = drive
        self._camera_info = scene_camera_info(drive.camera)
        self._writer = BagWriter(path, overwrite=overwrite)
        header = encode.header(START_NS, BASE_FRAME)
        self._write('/tf_static', mounting(drive.camera, header, FRAME_ID), START_NS)
        self._sensors = SensorMessages(drive) if drive.options.sensors else None

    def add(self, frame: SceneFrame, ground_truth: MetricGroundTruth | None) -> None:
        """Write one frame."""
        stamp_ns = START_NS + frame.stamp_ns
        if self._sensors is not None:
            for topic, message, time_ns in self._sensors.until(frame.stamp_ns, START_NS):
                self._write(topic, message, time_ns)
        footprint = BASE_FRAME if self._sensors is None else FOOTPRINT
        camera, base = (encode.header(stamp_ns, name) for name in (FRAME_ID, footprint))
        self._write(CAMERA_INFO, stamped(self._camera_info, camera), stamp_ns)
        image = Frame(frame.rgb, 'rgb8', stamp_ns, FRAME_ID)
        self._write(IMAGE, encode.image(image), stamp_ns)
        self._write(LABELS, encode.mono8(camera, frame.labels), stamp_ns)
        if ground_truth is not None:
            self._write(GRID, encode.occupancy_grid(ground_truth.grid, base), stamp_ns)
            vertices = tuple(messages.Point32(x, y) for x, y in ground_truth.boundary_m.tolist())
            outline = messages.PolygonStamped(base, messages.Polygon(vertices))
            self._write(BOUNDARY, outline, stamp_ns)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def _write(self, topic: str, value: Any, stamp_ns: int) -> None:
        self._writer.write(topic, messages.build(value, self._writer.make), stamp_ns)


def _arrays(ground_truth: MetricGroundTruth) -> dict[str, Any]:
    """Return what a metric file holds, by name."""
    grid: GroundGrid = ground_truth.grid
    return {
        'cells': grid.cells,
        'resolution_m': grid.resolution_m,
        'corner_m': np.array((grid.x_min_m, grid.y_min_m)),
        'drivable': ground_truth.drivable,
        'in_view': ground_truth.in_view,
        'hidden': ground_truth.hidden,
        'boundary_m': ground_truth.boundary_m,
        'feet_m': ground_truth.feet_m,
    }
