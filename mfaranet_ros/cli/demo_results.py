# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the demo received, put together frame by frame, and the figures of the whole run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.cli.contact_sheet import Pixels, View
from mfaranet_ros.core.errors import UnknownNameError
from mfaranet_ros.core.frame import GroundGrid
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.data.wire import Record
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix

PARTS = ('p50', 'p95', 'p99', 'max')
STAGES = (
    'processing_time', 'capture_to_publish',
    'decode', 'preprocess', 'inference', 'postprocess', 'drivable', 'publish',
)  # fmt: skip

STATUS_FACTS = ('status', 'level', 'message')

Floats = NDArray[np.float32]

HELD_BACK = 2
"""So many of the newest frames wait for their grid, which comes after their overlay."""


@dataclass
class Bundle:
    """What came with one stamp."""

    stamp_ns: int
    overlay: Pixels | None = None
    mask: Pixels | None = None
    grid: GroundGrid | None = None
    boundary_m: Floats | None = None
    age_ms: float | None = None


@dataclass(frozen=True, eq=False)
class MetricSample:
    """What was found in metres in one frame that came with ground truth.

    number: how many ground truth came before it. ground truth: uint8 (H, W). boundary_m: the
    vertices of the outline, float32 (N, 2), its near edge last.
    """

    number: int
    ground_truth: Pixels
    view: View
    boundary_m: Floats | None


@dataclass(frozen=True)
class Frames:
    """What became of the images.

    sent == received + lost; received == processed + the sum of dropped, once all is through.
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


@dataclass(frozen=True)
class Accuracy:
    """Agreement of the recorded masks with the ground truth that came with their images.

    An IoU is None for what is neither there nor found.
    """

    frames: int
    miou: float | None
    drivable_iou: float | None
    class_iou: dict[str, float | None]


class Results:
    """Takes records as they come; gives complete frames, and the figures at any time.

    is_remapped: the masks hold other values than class ids, so that they say nothing here.
    truth_labels: the label set of the ground truth; a network of another one is not compared with
    it.
    sample_every: of so many complete frames with ground truth one is kept with what was found in
    metres;
        0: none.
    """

    def __init__(
        self, *, is_remapped: bool = False, ground_truth_labels: str = '', sample_every: int = 0
    ) -> None:
        self._is_remapped = is_remapped
        self._ground_truth_labels = ground_truth_labels
        self._sample_every = sample_every
        self.samples: list[MetricSample] = []
        self._ground_truth_numbers: dict[int, int] = {}
        self._sampled_from = 0
        self.counts = dict.fromkeys(('mask', 'overlay', 'grid', 'boundary', 'truth'), 0)
        self._bundles: dict[int, Bundle] = {}
        self._ground_truths: dict[int, Pixels] = {}
        self._statuses: dict[str, Record] = {}
        self._ages_ms: list[float] = []
        self._pairs: list[tuple[Pixels, Pixels]] = []
        self._confusion: ConfusionMatrix | None = None
        self._compared = 0

    # -- what comes in ----------------------------------------------------------------------

    def add(self, record: Record) -> None:
        """Take note of one record."""
        if record.kind == 'status':
            self._statuses[record.fact('status')] = record
            return
        self.counts[record.kind] += 1
        if record.kind == 'truth':
            self._ground_truth_numbers[record.stamp_ns] = self.counts['truth'] - 1
            self._ground_truths[record.stamp_ns] = record.array
            return
        bundle = self._bundles.setdefault(record.stamp_ns, Bundle(record.stamp_ns))
        if record.kind == 'overlay':
            bundle.overlay = record.array
        elif record.kind == 'grid':
            bundle.grid = GroundGrid(
                record.array,
                float(record.fact('resolution_m')),
                float(record.fact('x_min_m')),
                float(record.fact('y_min_m')),
            )
        elif record.kind == 'boundary':
            bundle.boundary_m = record.array
        else:
            bundle.mask = record.array
            bundle.age_ms = (record.arrival_ns - record.stamp_ns) / 1e6
            self._ages_ms.append(bundle.age_ms)

    def complete(self, *, all_of_them: bool = False) -> Iterator[tuple[Bundle, View]]:
        """Hand over, once, the frames that have an overlay; the newest few may wait."""
        shown = sorted(
            stamp for stamp, bundle in self._bundles.items() if bundle.overlay is not None
        )
        ready = shown if all_of_them else shown[:-HELD_BACK]
        for stamp_ns in ready:
            bundle = self._bundles.pop(stamp_ns)
            self._keep_sample(bundle)
            self._compare(bundle)
            if bundle.overlay is not None:
                yield bundle, View(bundle.overlay, bundle.mask, bundle.grid)
        if ready:
            # Older ones that never got an overlay: of frames that were dropped.
            for store in (self._bundles, self._ground_truths, self._ground_truth_numbers):
                for stamp_ns in [stamp for stamp in store if stamp <= ready[-1]]:
                    del store[stamp_ns]

    def _keep_sample(self, bundle: Bundle) -> None:
        number, ground_truth = (
            self._ground_truth_numbers.get(bundle.stamp_ns),
            self._ground_truths.get(bundle.stamp_ns),
        )
        if number is None or ground_truth is None or bundle.overlay is None or bundle.grid is None:
            return
        if self._sample_every and self._sampled_from % self._sample_every == 0:
            view = View(bundle.overlay, bundle.mask, bundle.grid)
            self.samples.append(MetricSample(number, ground_truth, view, bundle.boundary_m))
        self._sampled_from += 1

    def _compare(self, bundle: Bundle) -> None:
        """Count where mask and ground truth agree, once it is known which classes there are."""
        ground_truth = self._ground_truths.pop(bundle.stamp_ns, None)
        if self._is_remapped:
            return
        if (
            ground_truth is not None
            and bundle.mask is not None
            and ground_truth.shape == bundle.mask.shape
        ):
            self._pairs.append((bundle.mask, ground_truth))
        if (
            self._ground_truth_labels
            and self.label_set
            and self.label_set.name != self._ground_truth_labels
        ):
            self._pairs.clear()
        if self._pairs and self._confusion is None and self.label_set is not None:
            self._confusion = ConfusionMatrix(len(self.label_set))
        if self._confusion is not None:
            for pair in self._pairs:
                self._confusion.update(*pair)
            self._compared += len(self._pairs)
            self._pairs.clear()

    # -- what is known ----------------------------------------------------------------------

    def status(self, name: str) -> Record | None:
        """Return the newest status of a name such as `segmentation: input`."""
        return self._statuses.get(name)

    def value(self, status: str, key: str) -> str:
        """Return one value of a status; `n/a` until it is known."""
        record = self._statuses.get(status)
        return 'n/a' if record is None else record.fact(key, 'n/a')

    def count(self, status: str, key: str) -> int:
        text = self.value(status, key)
        return int(text) if text.lstrip('-').isdigit() else 0

    @property
    def label_set(self) -> LabelSet | None:
        """The label set that the masks' values are of, once the node has said which."""
        if self._is_remapped:
            return None
        try:
            return get_label_set(self.value('segmentation: model', 'label_set'))
        except UnknownNameError:
            return None

    @property
    def frames(self) -> Frames:
        sent = self.count('player: source', 'images_sent')
        received = self.count('segmentation: input', 'frames_received')
        return Frames(
            sent=sent,
            skipped=self.count('player: source', 'images_skipped'),
            moments_missed=self.count('player: source', 'moments_missed'),
            received=received,
            lost=max(0, sent - received),
            processed=self.count('segmentation: input', 'frames_processed'),
            dropped=self._dropped(),
            masks_recorded=self.counts['mask'],
            overlays_recorded=self.counts['overlay'],
            grids_recorded=self.counts['grid'],
        )

    def _dropped(self) -> dict[str, int]:
        record = self._statuses.get('segmentation: input')
        facts = () if record is None else record.facts
        counts = {key: int(value) for key, value in facts if key.startswith('dropped_')}
        return {key.removeprefix('dropped_'): count for key, count in counts.items() if count}

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Return percentiles by stage, as the node reports them, and of the whole way."""
        found: dict[str, dict[str, float]] = {}
        for stage in STAGES:
            texts = {p: self.value('segmentation: latency', f'{stage}_ms_{p}') for p in PARTS}
            if 'n/a' not in texts.values():
                found[stage] = {part: float(text) for part, text in texts.items()}
        if self._ages_ms:
            spread = np.percentile(self._ages_ms, (50, 95, 99, 100))
            found['capture_to_subscriber'] = {
                part: round(float(value), 3) for part, value in zip(PARTS, spread, strict=True)
            }
        return found

    def model(self) -> dict[str, str]:
        """Return what the node says of its model."""
        record = self._statuses.get('segmentation: model')
        facts = () if record is None else record.facts
        return {key: value for key, value in facts if key not in STATUS_FACTS}

    def accuracy(self) -> Accuracy | None:
        """Return the agreement with the ground truth, or None where there was none to compare."""
        confusion, label_set = self._confusion, self.label_set
        if confusion is None or label_set is None:
            return None
        return Accuracy(
            frames=self._compared,
            miou=_number(confusion.mean_iou()),
            drivable_iou=_number(confusion.drivable(label_set).iou),
            class_iou={
                name: _number(iou)
                for name, iou in zip(label_set.names, confusion.iou(), strict=True)
            },
        )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


class Samples:
    """Keeps a few items spread evenly over all that came, however many those will be."""

    def __init__(self, most: int = 12) -> None:
        self._most = most
        self._every = 1
        self._seen = 0
        self._kept: list[Any] = []

    def add(self, item: Any) -> None:
        if self._seen % self._every == 0:
            self._kept.append(item)
        self._seen += 1
        if len(self._kept) > self._most:
            self._kept = self._kept[::2]
            self._every *= 2

    def spread(self, count: int) -> list[Any]:
        """Return so many of them, from the beginning, the middle and the end."""
        if len(self._kept) <= count:
            return list(self._kept)
        places = (np.arange(count) + 0.5) * len(self._kept) / count
        return [self._kept[int(place)] for place in places]
