# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The images of a folder in the order of their names, with ground truth where there is some.

name: what reports call the folder. camera_info: of the camera that took all
    of them, if it is known; ground: its mounting.
metric: the folder of their ground truth in metres, if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.files import printable
from mfaranet_ros.core.frame import MessageLike
from mfaranet_ros.core.stopwatch import Stopwatch
from mfaranet_ros.data.images import Pair, Pairs, decode_bytes, read_bytes
from mfaranet_ros.data.labels import GroundTruthReader
from mfaranet_ros.evaluation.runs.metric_folder import read_metric
from mfaranet_ros.evaluation.runs.sample import Entry, Sample, Selection
from mfaranet_ros.geometry.ground_source import GroundSource


class FolderSource:
    """The images of a folder in the order of their names, with ground truth where there is some.

    name: what reports call the folder. camera_info: of the camera that took all
    of them, if it is known; ground: its mounting.
    metric: the folder of their ground truth in metres, if there is one.
    """

    def __init__(
        self,
        name: str,
        pairs: Pairs,
        read_ground_truth: GroundTruthReader,
        selection: Selection,
        camera_info: MessageLike | None = None,
        ground: GroundConfig | None = None,
        metric: Path | None = None,
    ) -> None:
        self.name = name
        self._pairs = pairs.pairs
        self._read_ground_truth = read_ground_truth
        self._selection = selection
        self._config = ground or GroundConfig()
        self._ground = GroundSource(missing='')
        self._ground.take_camera_info(camera_info)
        self._metric = metric
        self.frames = selection.count(len(self._pairs))

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Yield the images whose number is start or more, in order."""
        for number, pair in enumerate(self._pairs):
            if number >= start and self._selection.takes(number):
                yield Entry(number, printable(pair.name), partial(self._load, pair))

    def _load(self, pair: Pair) -> Sample:
        watch = Stopwatch()
        with watch('read'):
            data = read_bytes(pair.image)
        with watch('decode'):
            frame = decode_bytes(pair.image, data)
        ground_truth = None
        if pair.ground_truth is not None:
            with watch('ground_truth'):
                ground_truth = self._read_ground_truth(pair.ground_truth, frame.size)
        with watch('ground_truth'):
            metric = read_metric(self._metric, pair.name) if self._metric else None
        file = Path(pair.name).with_name(pair.image.stem).as_posix()
        ground = self._ground.at(frame, frame.size, self._config)
        return Sample(frame, ground_truth, ground, metric, watch.ms, file)

    def close(self) -> None:
        """Nothing is open."""
