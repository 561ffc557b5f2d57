# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A live run of the node, read from the bag it was recorded in: frames, latency and accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.benchmark.ground import extent_of
from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import SourceError, UnknownNameError
from mfaranet_ros.core.frame import Drivable, GroundGrid
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.data.bags.playback import header_stamp_ns
from mfaranet_ros.data.bags.reader import Bag, BagMessage
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.evaluation.metrics.ground import count_ground
from mfaranet_ros.evaluation.metrics.metric import MetricCounts
from mfaranet_ros.evaluation.report.contact_sheet import Pixels, View
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

Floats = NDArray[np.float32]

DIAGNOSTICS = '/diagnostics'
GROUND_TRUTH, MASK, OVERLAY, GRID, BOUNDARY = TOPICS = (
    '/truth', '/segmentation/mask', '/segmentation/overlay', '/segmentation/drivable/grid',
    '/segmentation/drivable/boundary',
)  # fmt: skip
"""What belongs to one frame, by the stamp of its image; a recording may lack some of them."""

NODES = ('segmentation', 'player')
"""Whose statuses are read."""

PERCENTILES = ('p50', 'p95', 'p99', 'max')
STAGES = (
    'processing_time', 'capture_to_publish',
    'decode', 'preprocess', 'inference', 'postprocess', 'drivable', 'publish',
)  # fmt: skip

SEARCHED = 5
"""Frames of the scene that are searched for a ground truth image; some may have been lost."""


@dataclass(frozen=True)
class Status:
    """A status of /diagnostics."""

    message: str
    values: Mapping[str, str]

    def count(self, key: str) -> int:
        """Return a value as a number, 0 where it is none."""
        text = self.values.get(key, '')
        return int(text) if text.isdigit() else 0


@dataclass(frozen=True)
class Frames:
    """What became of the images.

    sent == received + lost; received == processed + the sum of dropped, once all are processed.
    """

    sent: int = 0
    skipped: int = 0
    moments_missed: int = 0
    received: int = 0
    lost: int = 0
    processed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    masks_recorded: int = 0
    overlays_recorded: int = 0
    grids_recorded: int = 0


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """What was published for one image.

    stamp_ns: of the image. view: overlay, labels and grid. boundary_m: vertices of the polygon,
    float32 (N, 2), its near edge last, or None. ground_truth: uint8 (H, W), or None. age_ms: from
    the image's stamp to the mask's arrival, or None. dropped: images up to then without a result.
    processing_ms: p50 and p95 as the node reported them by then, or None.
    """

    stamp_ns: int
    view: View
    boundary_m: Floats | None
    ground_truth: Pixels | None
    age_ms: float | None
    dropped: int
    processing_ms: tuple[float, float] | None


@dataclass(frozen=True)
class Accuracy:
    """Agreement of the masks with the ground truth of their images.

    An IoU is None for what is neither in the ground truth nor predicted.
    """

    frames: int
    miou: float | None
    drivable_iou: float | None
    class_iou: dict[str, float | None]


class LiveRun:
    """The recording of a run; `frames` reads what was published, the rest is known at once.

    bag: open, with TOPICS and /diagnostics as far as they were published.
    """

    def __init__(self, bag: Bag) -> None:
        self._bag = bag
        self._topics: dict[int, set[str]] = {}
        self._ages_ms: dict[int, float] = {}
        self._statuses: dict[str, Status] = {}
        for message in bag.messages(
            [name for name in (*TOPICS, DIAGNOSTICS) if name in bag.topics]
        ):
            if message.topic.name == DIAGNOSTICS:
                self._statuses.update(_read_statuses(message))
                continue
            stamp_ns = header_stamp_ns(message.raw)
            self._topics.setdefault(stamp_ns, set()).add(message.topic.name)
            if message.topic.name == MASK:
                self._ages_ms[stamp_ns] = (message.time_ns - stamp_ns) / 1e6

    def stamps(self, *topics: str) -> list[int]:
        """Return the stamps in order for which something came on all these topics."""
        wanted = set(topics)
        return sorted(stamp for stamp, names in self._topics.items() if wanted <= names)

    def frames(self) -> Iterator[LiveFrame]:
        """Yield the frames that have an overlay, in the order in which they were published."""
        pending: dict[int, dict[str, BagMessage]] = {}
        statuses: dict[str, Status] = {}
        for message in self._bag.messages(name for name in self._bag.topics if name in _READ):
            if message.topic.name == DIAGNOSTICS:
                statuses.update(_read_statuses(message))
                continue
            stamp_ns = header_stamp_ns(message.raw)
            names = self._topics[stamp_ns]
            if OVERLAY in names:
                parts = pending.setdefault(stamp_ns, {})
                parts[message.topic.name] = message
                if parts.keys() == names:
                    yield self._frame(stamp_ns, pending.pop(stamp_ns), statuses)

    def _frame(
        self, stamp_ns: int, parts: Mapping[str, BagMessage], statuses: Mapping[str, Status]
    ) -> LiveFrame:
        frames, spread = _frames(statuses), _latency_ms(statuses).get('processing_time')
        view = View(
            decode(parts[OVERLAY].message).pixels,
            _labels(parts.get(MASK)),
            _grid(parts[GRID]) if GRID in parts else None,
        )
        return LiveFrame(
            stamp_ns,
            view,
            _boundary(parts[BOUNDARY]) if BOUNDARY in parts else None,
            _labels(parts.get(GROUND_TRUTH)),
            self._ages_ms.get(stamp_ns),
            sum(frames.dropped.values()) + frames.lost,
            None if spread is None else (spread['p50'], spread['p95']),
        )

    # -- what is known of the whole run -----------------------------------------------------

    def status(self, name: str) -> Status | None:
        """Return the last status of a subcomponent such as `input`, None where none came."""
        return self._statuses.get(name)

    def counts(self) -> Frames:
        """Return what became of the images."""
        recorded = [len(self.stamps(topic)) for topic in (MASK, OVERLAY, GRID)]
        return _frames(self._statuses, *recorded)

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Return percentiles by stage as the node reports them, and from capture to subscriber."""
        found = _latency_ms(self._statuses)
        if self._ages_ms:
            spread = np.percentile(list(self._ages_ms.values()), (50, 95, 99, 100))
            found['capture_to_subscriber'] = {
                part: round(float(value), 3)
                for part, value in zip(PERCENTILES, spread, strict=True)
            }
        return found

    def model(self) -> dict[str, str]:
        """Return what the node reports of its model."""
        status = self._statuses.get('model')
        return {} if status is None else dict(status.values)

    @property
    def label_set(self) -> LabelSet | None:
        """The label set of the model, None where it is not known."""
        try:
            return get_label_set(self.model().get('label_set', ''))
        except UnknownNameError:
            return None


class AccuracyCounter:
    """Compares masks with ground truth.

    comparison: of the two; None where they cannot be compared.
    """

    def __init__(self, comparison: LabelComparison | None) -> None:
        self._comparison = comparison
        self._frames = 0
        self.not_scored = ''
        """Why ground truth that is there was not compared; empty where it was."""
        if comparison is not None:
            codes = comparison.codes
            self._matrix = ConfusionMatrix(len(codes.label_set), codes.sets)
            self._read = comparison.reader()

    def add(self, frame: LiveFrame) -> None:
        """Count a frame, where it has a mask and a ground truth of one size."""
        mask, ground_truth = frame.view.labels, frame.ground_truth
        if mask is None or ground_truth is None or mask.shape != ground_truth.shape:
            return
        if self._comparison is None:
            self.not_scored = 'give --labels, --merge or --table to score the ground truth'
            return
        try:
            ids = self._read.ids_of('a frame', ground_truth, mask.shape)
        except SourceError as error:
            self.not_scored = str(error)
            return
        self._matrix.update(self._comparison.convert(mask), ids)
        self._frames += 1

    def accuracy(self) -> Accuracy | None:
        """Return the agreement, None where nothing was compared."""
        if self._comparison is None or not self._frames:
            return None
        label_set = self._comparison.label_set
        named = zip(label_set.names, self._matrix.iou(), strict=True)
        return Accuracy(
            self._frames,
            _number(self._matrix.mean_iou()),
            _number(self._matrix.drivable(label_set).iou),
            {name: _number(iou) for name, iou in named},
        )


class MetricComparison:
    """Compares grids and boundaries with the ground truth of the synthetic scene, in metres.

    numbers: the frame of the scene for each stamp that is compared. bearings: vertices of the
    boundary. counts: the agreement; frames: compared ones; unknown: frames whose labels are those
    of no frame of the scene. shown, ground_truth: one of the frames, and its true grid.
    """

    def __init__(
        self,
        drive: SyntheticScene,
        numbers: Mapping[int, int],
        config: GroundConfig,
        bearings: int,
    ) -> None:
        self._drive, self._numbers, self._bearings = drive, numbers, bearings
        self._finder = MetricGroundTruthFinder(drive, extent_of(config))
        self.counts = MetricCounts()
        self.frames = self.unknown = 0
        self.shown: View | None = None
        self.ground_truth: GroundGrid | None = None

    def add(self, frame: LiveFrame) -> None:
        """Compare a frame if it is one of those that were chosen."""
        if frame.stamp_ns not in self._numbers or frame.ground_truth is None:
            return
        number = self._number_of(self._numbers[frame.stamp_ns], frame.ground_truth)
        if number is None:
            self.unknown += 1
            return
        ground_truth = self._finder.at(number)
        boundary_m = None if frame.boundary_m is None else frame.boundary_m[: self._bearings]
        predicted = Drivable(grid=frame.view.grid, boundary_m=boundary_m)
        camera_m = self._drive.camera.x, self._drive.camera.y
        self.counts += count_ground(
            predicted, ground_truth.grid, ground_truth.boundary_m, camera_m
        )
        self.frames += 1
        if self.frames <= (len(self._numbers) + 1) // 2:
            self.shown, self.ground_truth = frame.view, ground_truth.grid

    def _number_of(self, first: int, ground_truth: Pixels) -> int | None:
        """Return the frame of a ground truth; of some before it the ground truth may be lost."""
        for number in range(first, min(first + SEARCHED + 1, len(self._drive))):
            if np.array_equal(self._drive.frame(number).labels, ground_truth):
                return number
        return None


_READ = frozenset({*TOPICS, DIAGNOSTICS})


def choose_numbers(run: LiveRun, most: int) -> dict[int, int]:
    """Return by stamp the frames of the scene that are compared in metres, spread over the run."""
    numbers = {stamp: number for number, stamp in enumerate(run.stamps(GROUND_TRUTH))}
    stamps = run.stamps(GROUND_TRUTH, OVERLAY, GRID)
    places = np.unique(np.linspace(0, len(stamps) - 1, min(len(stamps), most)).astype(int))
    return {stamps[place]: numbers[stamps[place]] for place in places.tolist()}


def _read_statuses(message: BagMessage) -> dict[str, Status]:
    """Return the statuses of the node and the player by the last part of their names."""
    found: Any = message.message
    return {
        status.name.rpartition(': ')[2]: Status(
            status.message, {value.key: value.value for value in status.values}
        )
        for status in found.status
        if status.name.rpartition(': ')[0].strip('/') in NODES
    }


def _frames(
    statuses: Mapping[str, Status], masks: int = 0, overlays: int = 0, grids: int = 0
) -> Frames:
    nothing = Status('', {})
    source, found = statuses.get('source', nothing), statuses.get('input', nothing)
    sent, received = source.count('images_sent'), found.count('frames_received')
    dropped = {
        key.removeprefix('dropped_'): found.count(key)
        for key in found.values
        if key.startswith('dropped_') and found.count(key)
    }
    return Frames(
        sent=sent,
        skipped=source.count('images_skipped'),
        moments_missed=source.count('moments_missed'),
        received=received,
        lost=max(0, sent - received),
        processed=found.count('frames_processed'),
        dropped=dropped,
        masks_recorded=masks,
        overlays_recorded=overlays,
        grids_recorded=grids,
    )


def _latency_ms(statuses: Mapping[str, Status]) -> dict[str, dict[str, float]]:
    values = statuses['latency'].values if 'latency' in statuses else {}
    found: dict[str, dict[str, float]] = {}
    for stage in STAGES:
        texts = {part: values.get(f'{stage}_ms_{part}', 'n/a') for part in PERCENTILES}
        if 'n/a' not in texts.values():
            found[stage] = {part: float(text) for part, text in texts.items()}
    return found


def _labels(message: BagMessage | None) -> Pixels | None:
    return None if message is None else decode(message.message).pixels[:, :, 0]


def _grid(message: BagMessage) -> GroundGrid:
    found: Any = message.message
    info, origin = found.info, found.info.origin.position
    cells = np.asarray(found.data, np.int8).reshape(int(info.height), int(info.width))
    return GroundGrid(cells, float(info.resolution), float(origin.x), float(origin.y))


def _boundary(message: BagMessage) -> Floats:
    found: Any = message.message
    points = [(point.x, point.y) for point in found.polygon.points]
    return np.array(points, np.float32).reshape(-1, 2)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
