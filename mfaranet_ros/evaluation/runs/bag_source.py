# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The images of a bag as frames to be scored, with ground truth, calibration and mounting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, SourceError
from mfaranet_ros.core.frame import Frame, GroundGrid
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.data.bags.cameras import choose_camera
from mfaranet_ros.data.bags.reader import IMAGES, Bag, open_bag
from mfaranet_ros.data.bags.transforms import static_transforms
from mfaranet_ros.data.ground_truth import GroundTruth, PairingReport, read_labels
from mfaranet_ros.data.labels import LabelReader
from mfaranet_ros.data.pairing import Pairing, Shot
from mfaranet_ros.evaluation.runs.sources import (
    Entry,
    MetricGroundTruth,
    ReadTimes,
    Sample,
    Selection,
)
from mfaranet_ros.geometry.attitude_source import AttitudeSource
from mfaranet_ros.geometry.ground_source import Ground, GroundSource, ParameterPoses
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.pipeline.decode_motion import imu_sample, odometry_sample

OCCUPANCY_GRID = 'nav_msgs/msg/OccupancyGrid'
IMU, ODOMETRY = 'sensor_msgs/msg/Imu', 'nav_msgs/msg/Odometry'
POLYGON = 'geometry_msgs/msg/PolygonStamped'


@dataclass(frozen=True)
class BagChoice:
    """What is read of a bag.

    image_topic: empty for the only camera there is. ground truth: a topic of class ids or a folder
    of png files named by stamp; None for none. grid_topic: a topic of true grids, and
    boundary_topic of the true ends of the free space, empty for none.
    """

    image_topic: str = ''
    ground_truth: str | Path | None = None
    grid_topic: str = ''
    tolerance_ms: float = 0.0
    boundary_topic: str = ''

    @property
    def ground_truths(self) -> dict[str, str | Path]:
        """Where each kind of ground truth is that was given: labels, grid and boundary."""
        given = {
            'labels': self.ground_truth,
            'grid': self.grid_topic,
            'boundary': self.boundary_topic,
        }
        return {kind: source for kind, source in given.items() if source}


class BagSource:
    """The images of one camera of a bag in the order in which they were logged.

    name: what reports call the bag. ground: the mounting if /tf_static does not have it.
    Raises SourceError for a path that is not a bag, and for missing topics.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[Path],
        choice: BagChoice,
        read_ground_truth: LabelReader,
        selection: Selection,
        ground: GroundConfig,
    ) -> None:
        self.name = name
        self._choice = choice
        self._config = ground
        self._notes: tuple[str, ...] = ()
        self._read_ground_truth = read_ground_truth
        self._selection = selection
        with ExitStack() as stack:
            self.bag = stack.enter_context(open_bag([*paths]))
            ground_truths = tuple(choice.ground_truths.values())
            besides = tuple(
                ground_truth for ground_truth in ground_truths if isinstance(ground_truth, str)
            )
            self.camera = choose_camera(self.bag, choice.image_topic, besides=besides)
            self._check_types()
            self._pairing = Pairing(
                self.bag, self.camera, ground_truths, tolerance_ns=round(choice.tolerance_ms * 1e6)
            )
            self._ground = GroundSource(BagPoses(self.bag, self._note))
            self._motion = BagMotion(self.bag, ground) if ground.attitude != 'none' else None
            self._stack = stack.pop_all()
        self.frames = selection.count(self.camera.image.count)

    def _check_types(self) -> None:
        if isinstance(self._choice.ground_truth, str):
            self.bag.topic(self._choice.ground_truth, *IMAGES)
        if self._choice.grid_topic:
            self.bag.topic(self._choice.grid_topic, OCCUPANCY_GRID)
        if self._choice.boundary_topic:
            self.bag.topic(self._choice.boundary_topic, POLYGON)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the bag."""
        return self.bag.files

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the bag, in lines; complete when the last entry was taken."""
        return (*self.bag.notes, *self._pairing.report.notes, *self._notes)

    @property
    def report(self) -> PairingReport:
        """What was paired and what was not; complete when the last entry was taken."""
        return self._pairing.report

    @property
    def truncated(self) -> str:
        """What is missing of the bag, empty if nothing is; known when the last entry was taken."""
        return self.bag.truncated

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Yield the images whose number is start or more, in order; go through them once."""
        shots = iter(self._pairing)
        while True:
            begin_ns = time.perf_counter_ns()
            shot = next(shots, None)
            read_ms = (time.perf_counter_ns() - begin_ns) / 1e6
            if shot is None:
                return
            if shot.number >= start and self._selection.takes(shot.number):
                yield Entry(shot.number, shot.name, partial(self._load, shot, read_ms))

    def _load(self, shot: Shot, read_ms: float) -> Sample:
        lap = Laps()
        frame = decode(shot.image.message)
        decode_ms = lap()
        ground_truths = dict(zip(self._choice.ground_truths, shot.ground_truths, strict=True))
        labels, grid = ground_truths.get('labels'), ground_truths.get('grid')
        ground_truth = read_labels(labels, frame.size, self._read_ground_truth) if labels else None
        boundary_m = _boundary(ground_truths.get('boundary'))
        metric = MetricGroundTruth(_grid(grid), boundary_m) if grid else None
        times = ReadTimes(read_ms, decode_ms, lap())
        ground = self._ground_of(shot, frame)
        attitude = None if self._motion is None else self._motion.until(shot.image.time_ns)
        return Sample(frame, ground_truth, ground, metric, times, attitude=attitude)

    def _ground_of(self, shot: Shot, frame: Frame) -> Ground:
        if shot.camera_info is None:
            return Ground(None)
        self._ground.take_camera_info(shot.camera_info)
        ground = self._ground.at(frame, frame.size, self._config)
        if ground.problem:
            self._note(f'no distances: {ground.problem}')
        return ground

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes = (*self._notes, text)

    def on_close(self, callback: Callable[[], object]) -> None:
        """Call something after the files are closed."""
        files = self._stack.pop_all()
        self._stack.callback(callback)
        self._stack.push(files)

    def close(self) -> None:
        """Close the files."""
        self._stack.close()


class BagMotion:
    """The tilt of the vehicle from the IMU and the odometry of a bag, fed as the node is."""

    def __init__(self, bag: Bag, config: GroundConfig) -> None:
        self._config = config
        self._source = AttitudeSource()
        self._source.configure(config)
        topics = [topic.name for topic in bag.topics.values() if topic.type in (IMU, ODOMETRY)]
        self._messages = iter(bag.messages(topics)) if topics else iter(())
        self._next = next(self._messages, None)

    def until(self, time_ns: int) -> AttitudeSource:
        """Return the estimate with what was logged up to a time."""
        config, found = self._config, self._next
        while found is not None and found.time_ns <= time_ns:
            if found.topic.type == IMU:
                sample = imu_sample(found.message)
                turned = sample.turned(config.imu_roll, config.imu_pitch, config.imu_yaw)
                self._source.filter.add_imu(turned)
            else:
                self._source.filter.add_odometry(odometry_sample(found.message))
            found = next(self._messages, None)
        self._next = found
        return self._source


class BagPoses:
    """The mounting pose of /tf_static, else of the settings, as in the node.

    note(text): called with what the user should know.
    """

    name = 'bag'

    def __init__(self, bag: Bag, note: Callable[[str], None]) -> None:
        self._transforms = static_transforms(bag)
        self._note = note

    def at(self, frame: Frame, config: GroundConfig) -> MountingPose:
        """Return the pose; raises CalibrationError where it is not known."""
        if config.extrinsics != 'parameters':
            found = self._transforms.find(config.base_frame, frame.frame_id)
            if found is not None:
                return MountingPose.from_transform(found.translation, found.quaternion)
            why = f'/tf_static joins no {config.base_frame} with {frame.frame_id!r}'
            if config.extrinsics == 'tf':
                raise CalibrationError(f'{why}: set ground.extrinsics to parameters')
            self._note(f'{why}: the mounting is that of ground.x to ground.yaw')
        return ParameterPoses().at(frame, config)

    def clear(self) -> None:
        """Static transforms have no time."""

    def close(self) -> None:
        """Nothing is open."""


def _grid(ground_truth: GroundTruth) -> GroundGrid:
    """Return the grid of an OccupancyGrid whose axes are those of the base frame."""
    assert ground_truth.message is not None
    message = ground_truth.message.message
    info = message.info
    origin, turn = info.origin.position, info.origin.orientation
    where = f'{ground_truth.message.topic.name} at {ground_truth.name} s'
    if not abs(turn.x) + abs(turn.y) + abs(turn.z) <= 1e-6:
        raise SourceError(f'{where} is rotated: its axes must be those of the base frame')
    height, width = int(info.height), int(info.width)
    cells = np.asarray(message.data, np.int8)
    if not height or not width or cells.size != height * width:
        raise SourceError(
            f'{where} has {width}x{height} cells by its header, its data are {cells.size}: '
            'record it again'
        )
    numbers = (float(info.resolution), float(origin.x), float(origin.y))
    if not np.isfinite(numbers).all() or numbers[0] <= 0:
        raise SourceError(
            f'{where} has a resolution of {numbers[0]:g} m at ({numbers[1]:g}, {numbers[2]:g}): '
            'all must be finite, and the resolution above 0'
        )
    return GroundGrid(cells.reshape(height, width), *numbers)


def _boundary(ground_truth: GroundTruth | None) -> NDArray[np.float64] | None:
    """Return x and y (M, 2) of the vertices of a polygon, None where there is none."""
    if ground_truth is None or ground_truth.message is None:
        return None
    points = ground_truth.message.message.polygon.points
    return np.array([(point.x, point.y) for point in points], np.float64).reshape(-1, 2)
