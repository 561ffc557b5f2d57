# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the demo writes of a recorded run: a video, images, the figures, and a table of them.

Each is written on its own, so that one that cannot be written costs none of the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfaranet_ros.benchmark.live_run import (
    OVERLAY,
    AccuracyCounter,
    LiveFrame,
    LiveRun,
    MetricComparison,
)
from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.versions import versions
from mfaranet_ros.evaluation.report.contact_sheet import (
    Legend,
    View,
    draw_grid_beside,
    draw_view,
)
from mfaranet_ros.evaluation.report.figures import metric_figures
from mfaranet_ros.evaluation.report.text import describe_metric
from mfaranet_ros.evaluation.report.video import VideoWriter, write_image

OVERLAYS = 3
OURS = ('demo.mp4', 'demo.avi', 'grid.png', 'figures.json', 'overlay_?.png')

MOST_HELD = 50
"""Images for which a result stays in the video at most, until the next one."""


@dataclass(frozen=True)
class Target:
    """Where the demo writes. folder, json: of the files; rate_hz: of the video."""

    folder: Path
    json: Path
    rate_hz: float
    grid_note: str
    palette: str = 'classes'

    def clear(self) -> None:
        """Make the folder and remove what an earlier demo left in it; raises OutputError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for pattern in OURS:
                for file in self.folder.glob(pattern):
                    file.unlink()
        except OSError as error:
            raise OutputError(
                f'cannot write to {self.folder}: {error.strerror}; give another --out DIR'
            ) from error


class DemoOutput:
    """Draws the frames of a run one after the other and writes everything at the end.

    label_set: of the masks; None where their values are not class ids.
    """

    def __init__(self, target: Target, run: LiveRun, label_set: LabelSet | None) -> None:
        self._target, self._run = target, run
        self._legend = None
        if label_set is not None:
            colors = label_set.role_palette if target.palette == 'roles' else label_set.palette
            self._legend = Legend(label_set.names, colors)
        self._video = VideoWriter(target.folder / 'demo', target.rate_hz)
        self._problems: list[str] = []
        self._written: list[str] = []
        stamps = run.stamps(OVERLAY)
        places = (int((number + 0.5) * len(stamps) / OVERLAYS) for number in range(OVERLAYS))
        self._chosen = {stamps[place] for place in places} if stamps else set[int]()
        self._first_ns = self._last_ns = 0
        self._overlays = 0
        self._with_grid: list[View] = []

    def add(self, frame: LiveFrame) -> None:
        """Draw a frame; the video holds the one before until this one's time."""
        self._first_ns = self._first_ns or frame.stamp_ns
        image = draw_view(frame.view, self._legend, self._lines(frame), self._target.grid_note)
        with self._noting_problems():
            self._video.write(image, hold=self._missed(frame.stamp_ns))
        self._last_ns = frame.stamp_ns
        if frame.stamp_ns in self._chosen:
            self._overlays += 1
            path = self._target.folder / f'overlay_{self._overlays}.png'
            with self._noting_problems(path):
                write_image(path, image)
            if frame.view.grid is not None:
                self._with_grid.append(frame.view)

    def _missed(self, stamp_ns: int) -> int:
        """Return how many images of the camera lie between this result and the one before."""
        if not self._last_ns:
            return 0
        slots = round((stamp_ns - self._last_ns) * self._target.rate_hz / 1e9)
        return min(max(1, slots), MOST_HELD) - 1

    def _lines(self, frame: LiveFrame) -> tuple[str, str]:
        model, ms = self._run.model(), frame.processing_ms
        age = 'n/a' if frame.age_ms is None else f'{frame.age_ms:.0f} ms'
        processing = 'n/a' if ms is None else f'p50 {ms[0]:.0f} ms  p95 {ms[1]:.0f} ms'
        return (
            f'{(frame.stamp_ns - self._first_ns) / 1e9:.1f} s   capture to mask {age}   '
            f'processing {processing}   dropped {frame.dropped}',
            f'{model.get("name", "?")}  scales {model.get("scales", "?")}  '
            f'{model.get("precision", "?")} on {model.get("device", "?")}',
        )

    def finish(
        self, about: dict[str, Any], accuracy: AccuracyCounter, metric: MetricComparison | None
    ) -> None:
        """Write the rest and print a table; raises OutputError, at the end, for what failed."""
        view = metric.shown if metric is not None else None
        if view is None and self._with_grid:
            view = self._with_grid[len(self._with_grid) // 2]
        if view is not None:
            true_grid = metric.ground_truth if metric is not None else None
            path = self._target.folder / 'grid.png'
            with self._noting_problems(path):
                write_image(path, draw_grid_beside(view, self._target.grid_note, true_grid))
        with self._noting_problems(self._target.json):
            write_json(self._target.json, make_figures(self._run, about, accuracy, metric))
        with self._noting_problems():
            if (video := self._video.close()) is not None:
                note = f' ({video.note})' if video.note else ''
                self._written.append(f'{video.path}{note}')
        print(make_table(self._run, accuracy, self._written))
        if metric is not None and metric.frames:
            print(f'against the ground truth in metres, {metric.frames} frames:')
            print(describe_metric(metric.counts))
        if self._problems:
            raise OutputError('; '.join(self._problems))

    @contextmanager
    def _noting_problems(self, path: Path | None = None) -> Iterator[None]:
        """Note the path as written, or what went wrong; the same problem only once."""
        try:
            yield
        except OutputError as error:
            if str(error) not in self._problems:
                self._problems.append(str(error))
        else:
            if path is not None:
                self._written.append(str(path))


def make_figures(
    run: LiveRun,
    given: dict[str, Any],
    accuracy: AccuracyCounter,
    metric: MetricComparison | None = None,
) -> dict[str, Any]:
    """Return all figures of the run as JSON can hold them."""
    scored = accuracy.accuracy()
    has_metric = metric is not None and metric.frames
    return {
        **given,
        'frames': dataclasses.asdict(run.counts()),
        'latency_ms': run.latency_ms(),
        'accuracy': None if scored is None else dataclasses.asdict(scored),
        'metric': {
            'frames': metric.frames,
            'frames_unknown': metric.unknown,
            **metric_figures(metric.counts),
        }
        if metric is not None and has_metric
        else None,
        'model': run.model(),
        'versions': versions(),
    }


def make_table(run: LiveRun, accuracy: AccuracyCounter, written: Iterable[str]) -> str:
    """Return the figures that a person wants to know."""
    frames, latency, model = run.counts(), run.latency_ms(), run.model()
    reasons = ', '.join(f'{name} {count}' for name, count in sorted(frames.dropped.items()))
    dropped = sum(frames.dropped.values())
    rows = [
        (
            'frames',
            f'{frames.sent} sent, {frames.received} received, {frames.processed} processed, '
            f'{dropped} dropped{f" ({reasons})" if reasons else ""}, {frames.lost} lost',
        ),
        ('skipped', f'{frames.skipped} images that could not be read' if frames.skipped else ''),
    ]
    for name in ('processing_time', 'capture_to_publish', 'capture_to_subscriber'):
        if name in latency:
            parts = '  '.join(f'{part} {value:.1f}' for part, value in latency[name].items())
            rows.append((name.replace('_', ' '), f'{parts} ms'))
    rows.append(
        (
            'model',
            f'{model.get("name", "n/a")}, scales {model.get("scales", "n/a")}, '
            f'{model.get("precision", "n/a")} on {model.get("device", "n/a")}',
        )
    )
    scored = accuracy.accuracy()
    if accuracy.not_scored:
        rows.append(('not scored', accuracy.not_scored))
    if scored is not None and scored.miou is not None:
        road = 'n/a' if scored.drivable_iou is None else f'{scored.drivable_iou:.3f}'
        rows.append(
            ('accuracy', f'mIoU {scored.miou:.3f}, drivable IoU {road}, {scored.frames} frames')
        )
    rows += [('written' if i == 0 else '', path) for i, path in enumerate(written)]
    return '\n'.join(f'{name:<22}{text}' for name, text in rows if text)
