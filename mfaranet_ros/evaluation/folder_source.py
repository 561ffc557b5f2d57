"""The pictures of a folder as frames to be scored."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mfaranet_ros.evaluation.images import Pair, Pairs, TruthReader, decode_bytes, read_bytes
from mfaranet_ros.evaluation.metric_folder import read_metric
from mfaranet_ros.evaluation.sample import Entry, Sample, Selection, Viewpoint
from mfaranet_ros.pipeline.stopwatch import Stopwatch


class FolderSource:
    """The pictures of a folder in the order of their names, with their truth where there is one.

    name: what reports call the folder. view: of the camera that took all of them, if it is known.
    metric: the folder of their truth in metres, if there is one.
    """

    def __init__(
        self,
        name: str,
        pairs: Pairs,
        read_truth: TruthReader,
        selection: Selection,
        view: Viewpoint | None = None,
        metric: Path | None = None,
    ) -> None:
        self.name = name
        self._pairs = pairs.pairs
        self._read_truth = read_truth
        self._selection = selection
        self._view = view
        self._metric = metric
        self.frames = selection.count(len(self._pairs))

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Yield the pictures whose number is start or more, in order."""
        for number, pair in enumerate(self._pairs):
            if number >= start and self._selection.takes(number):
                yield Entry(number, pair.name, partial(self._load, pair))

    def _load(self, pair: Pair) -> Sample:
        watch = Stopwatch()
        with watch('read'):
            data = read_bytes(pair.picture)
        with watch('decode'):
            frame = decode_bytes(pair.picture, data)
        truth = None
        if pair.truth is not None:
            with watch('truth'):
                truth = self._read_truth(pair.truth, frame.size)
        with watch('truth'):
            metric = read_metric(self._metric, pair.name) if self._metric else None
        file = Path(pair.name).with_name(pair.picture.stem).as_posix()
        return Sample(frame, truth, self._view, metric, watch.ms, file)

    def close(self) -> None:
        """Nothing is open."""
