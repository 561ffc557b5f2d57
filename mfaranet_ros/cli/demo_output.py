# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the demo leaves behind: a video, images, the figures, and a table of them.

Each is written for itself, so that one that cannot be written costs none of the others.
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from mfaranet_ros import __version__
from mfaranet_ros.cli.contact_sheet import Legend, View, draw_grid_beside, draw_view
from mfaranet_ros.cli.demo_metric import MetricComparison
from mfaranet_ros.cli.demo_results import Bundle, Results, Samples
from mfaranet_ros.cli.report import write_json
from mfaranet_ros.cli.video import VideoWriter, write_image
from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.evaluation.metrics.metric import describe_metric, metric_figures

OVERLAYS = 3
STEM = 'demo'
OURS = ('demo.mp4', 'demo.avi', 'grid.png', 'figures.json', 'overlay_?.png')

MOST_HELD = 50
"""A result stays in the video until the next one, but not longer than so many images."""

PACKAGES = ('numpy', 'opencv-python', 'torch', 'rclpy', 'rosbags', 'safetensors')


class DemoOutput:
    """Draws frames as they come and writes everything at the end.

    palette: of the overlays, for their legend. What an earlier demo left in the folder is removed
    first. Raises OutputError where the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        json_path: Path | None,
        rate_hz: float,
        grid_note: str,
        *,
        palette: str = 'classes',
    ) -> None:
        self._folder = folder
        self._palette = palette
        self._json_path = json_path or folder / 'figures.json'
        self._rate_hz = rate_hz
        self._grid_note = grid_note
        self._video = VideoWriter(folder / STEM, rate_hz)
        self._samples = Samples()
        self._problems: list[str] = []
        self._written: list[str] = []
        self._first_ns = self._last_ns = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for pattern in OURS:
                for file in folder.glob(pattern):
                    file.unlink()
        except OSError as error:
            raise OutputError(
                f'cannot write to {folder}: {error.strerror}; give another --out DIR'
            ) from error

    # -- while it runs ----------------------------------------------------------------------

    def add(self, bundle: Bundle, view: View, results: Results) -> None:
        """Draw one frame; the video holds the one before until this one's time."""
        self._first_ns = self._first_ns or bundle.stamp_ns
        lines = self._lines(bundle, results)
        self._samples.add((view, lines))
        image = draw_view(view, self._legend(results), lines, self._grid_note)
        with self._noting_problems():
            self._video.write(image, hold=self._missed(bundle.stamp_ns))
        self._last_ns = bundle.stamp_ns

    def _legend(self, results: Results) -> Legend | None:
        labels = results.label_set
        if labels is None:
            return None
        is_of_roles = self._palette == 'roles'
        return Legend(labels.names, labels.role_palette if is_of_roles else labels.palette)

    def _missed(self, stamp_ns: int) -> int:
        """How many images of the camera lie between this result and the one before."""
        if not self._last_ns:
            return 0
        slots = round((stamp_ns - self._last_ns) * self._rate_hz / 1e9)
        return min(max(1, slots), MOST_HELD) - 1

    def _lines(self, bundle: Bundle, results: Results) -> tuple[str, str]:
        frames, model = results.frames, results.model()
        dropped = sum(frames.dropped.values()) + frames.lost
        times = (bundle.stamp_ns - self._first_ns) / 1e9
        age = 'n/a' if bundle.age_ms is None else f'{bundle.age_ms:.0f} ms'
        spread = results.latency_ms().get('processing_time', {})
        node = '  '.join(f'{part} {spread[part]:.0f} ms' for part in ('p50', 'p95') if spread)
        return (
            f'{times:.1f} s   capture to mask {age}   processing {node or "n/a"}   '
            f'dropped {dropped}',
            f'{model.get("name", "?")}  scales {model.get("scales", "?")}  '
            f'{model.get("precision", "?")} on {model.get("device", "?")}',
        )

    # -- at the end -------------------------------------------------------------------------

    def finish(
        self,
        results: Results,
        about: dict[str, Any],
        in_metres: Callable[[], MetricComparison | None] = lambda: None,
    ) -> None:
        """Write all and print a table; raises OutputError, at the end, for what failed.

        in_metres: compares with the ground truth in metres, once all frames are there.
        """
        for bundle, view in results.complete(all_of_them=True):
            self.add(bundle, view, results)
        metric = in_metres()
        self._write_images(results, metric)
        figures = make_figures(results, about, metric)
        with self._noting_problems(self._json_path):
            write_json(self._json_path, figures)
        with self._noting_problems():
            self._close_video()
        print(make_table(results, self._written))
        if metric is not None and metric.frames:
            print(f'against the ground truth in metres, {metric.frames} frames:')
            print(describe_metric(metric.counts))
        if self._problems:
            raise OutputError('; '.join(self._problems))

    def _write_images(self, results: Results, metric: MetricComparison | None) -> None:
        chosen = self._samples.spread(OVERLAYS)
        for number, (view, lines) in enumerate(chosen, start=1):
            image = draw_view(view, self._legend(results), lines, self._grid_note)
            path = self._folder / f'overlay_{number}.png'
            with self._noting_problems(path):
                write_image(path, image)
        with_grid = [view for view, _ in chosen if view.grid is not None]
        shown = metric.shown if metric is not None and metric.shown is not None else None
        if shown is not None or with_grid:
            view = shown or with_grid[len(with_grid) // 2]
            ground_truth = metric.ground_truth if metric is not None else None
            image = draw_grid_beside(view, self._grid_note, ground_truth)
            path = self._folder / 'grid.png'
            with self._noting_problems(path):
                write_image(path, image)

    def _close_video(self) -> None:
        written = self._video.close()
        if written is not None:
            note = f' ({written.note})' if written.note else ''
            self._written.append(f'{written.path}{note}')

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
    results: Results, about: dict[str, Any], metric: MetricComparison | None = None
) -> dict[str, Any]:
    """Return all figures of the run, as JSON takes them."""
    accuracy = results.accuracy()
    return {
        **about,
        'frames': dataclasses.asdict(results.frames),
        'latency_ms': results.latency_ms(),
        'accuracy': None if accuracy is None else dataclasses.asdict(accuracy),
        'metric': None
        if metric is None or not metric.frames
        else {
            'frames': metric.frames,
            'frames_unknown': metric.unknown,
            **metric_figures(metric.counts),
        },
        'model': results.model(),
        'versions': _versions(),
        'machine': f'{platform.platform()}, {os.cpu_count()} cores',
    }


def _versions() -> dict[str, str]:
    found = {'mfaranet_ros': __version__, 'python': platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = 'n/a'
    return found


def make_table(results: Results, written: Iterable[str]) -> str:
    """Return what a person wants to know at the end."""
    frames, latency, model = results.frames, results.latency_ms(), results.model()
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
    accuracy = results.accuracy()
    if accuracy is not None and accuracy.miou is not None:
        road = 'n/a' if accuracy.drivable_iou is None else f'{accuracy.drivable_iou:.3f}'
        rows.append(
            ('truth', f'mIoU {accuracy.miou:.3f}, drivable {road}, {accuracy.frames} frames')
        )
    rows += [('written' if i == 0 else '', path) for i, path in enumerate(written)]
    return '\n'.join(f'{name:<22}{text}' for name, text in rows if text)
