# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Runs the demo: player, node and recorder as processes, then the figures of what was recorded."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mfaranet_ros.benchmark.demo_output import DemoOutput, Target
from mfaranet_ros.benchmark.live_run import (
    BOUNDARY,
    DIAGNOSTICS,
    GRID,
    GROUND_TRUTH,
    MASK,
    OVERLAY,
    AccuracyCounter,
    LiveRun,
    MetricComparison,
    choose_numbers,
)
from mfaranet_ros.core.config import PipelineConfig, Value, changes
from mfaranet_ros.core.errors import (
    MfaranetError,
    OutputError,
    ProcessError,
    SourceError,
)
from mfaranet_ros.core.files import hash_files
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.processes import (
    Child,
    Children,
    interrupted_by_signals,
    ros_environment,
)
from mfaranet_ros.core.progress import Progress, track
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.recorder import RecordingStatus
from mfaranet_ros.data.image_sources import Source
from mfaranet_ros.data.synthetic_source import SceneSource
from mfaranet_ros.evaluation.runs.comparison import LabelComparison

CAMERA_INFO = '/camera_info'

START_S = 180.0
"""Time limit for loading and warming up, before the first mask."""

DRAIN_S = 10.0
"""Time limit for the node to finish what it was sent."""

FINISH_S = 60.0
"""Time limit for the recorder to complete its file."""

LOOK_S = 0.1

COMPARED = 25
"""Frames compared in metres at most; the ground truth of one takes a third of a second."""


@dataclass(frozen=True)
class Play:
    """One demo, checked: what is played, and the parameters of the processes.

    comparison: of the predictions with labels beside the images; None where they are not scored.
    """

    source: Source
    kind: str
    rate_hz: float
    player: dict[str, Value]
    config: PipelineConfig
    grid_note: str
    comparison: LabelComparison | None = None

    @property
    def scene(self) -> SceneSource | None:
        """The synthetic scene, or None for images and videos."""
        return self.source if isinstance(self.source, SceneSource) else None

    @property
    def node(self) -> dict[str, Value]:
        """The settings of the node that are not its own defaults."""
        return changes(self.config, PipelineConfig())


def run_demo(play: Play, target: Target) -> int:
    """Run a demo and write what there is, however it ended; return 0, or 130 after Ctrl-C.

    Raises OutputError or ProcessError for what went wrong on the way.
    """
    problems: list[MfaranetError] = []
    exit_code = 0
    with TemporaryDirectory(prefix='.recording.', dir=target.folder) as folder:
        recording = Path(folder).absolute() / 'run'
        with interrupted_by_signals():
            try:
                _Run(play, recording).play()
            except KeyboardInterrupt:
                exit_code = 130
            except ProcessError as error:
                problems.append(error)
            try:
                write(play, target, recording)
            except ProcessError as error:
                if not problems and not exit_code:
                    problems.append(error)
            except OutputError as error:
                problems.append(error)
    if problems:
        raise type(problems[0])('; '.join(map(str, problems)))
    return exit_code


class _Run:
    """Player, node and recorder while they run; raises ProcessError where one of them fails."""

    def __init__(self, play: Play, recording: Path) -> None:
        self._play, self._recording = play, recording
        self._counts: dict[str, int] = {}
        self._warnings: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._began_s = time.monotonic()
        self._is_playing = False

    def play(self) -> None:
        """Play from the first image to the last and end the processes."""
        with (
            Progress(0, 'frame') as progress,
            Children(ros_environment(isolated=True), self._warnings.put) as children,
        ):
            recorder = children.start_node(
                'recorder', 'bag_recorder', self._parameters, piped=True
            )
            threading.Thread(target=self._follow, args=(recorder,), daemon=True).start()
            children.start_node('segmentation', 'segmentation_node', self._play.node)
            player = children.start_node('player', 'player_node', self._play.player)
            try:
                self._watch(children, player, progress)
            finally:
                recorder.terminate()
                recorder.wait(FINISH_S)

    @property
    def _parameters(self) -> dict[str, Value]:
        topics: tuple[str, ...] = (DIAGNOSTICS, CAMERA_INFO, MASK, OVERLAY, GRID, BOUNDARY)
        if self._play.source.has_ground_truth:
            topics += (GROUND_TRUTH,)
        return {'out': str(self._recording), 'topics': topics, 'wait_s': START_S}

    def _follow(self, recorder: Child) -> None:
        """Take note of how many messages of each topic are recorded; in a thread."""
        with suppress(ValueError):  # its pipe is closed
            for line in recorder.output:
                if line.startswith('{'):
                    status = RecordingStatus.from_json(line)
                    self._counts = {name: each.written for name, each in status.topics.items()}

    def _watch(self, children: Children, player: Child, progress: Progress) -> None:
        while player.exit_code is None:
            self._wait(children, progress)
            if not self._masks and time.monotonic() > self._began_s + START_S:
                raise ProcessError(f'no mask was published within {START_S:g} s')
        self._drain(children, progress)

    def _drain(self, children: Children, progress: Progress) -> None:
        """Wait until two more diagnostics have come without a new mask between them."""
        deadline_s = time.monotonic() + DRAIN_S
        masks, seen = -1, 0
        while time.monotonic() < deadline_s:
            if self._masks != masks:
                masks, seen = self._masks, self._counts.get(DIAGNOSTICS, 0)
            if self._counts.get(DIAGNOSTICS, 0) > seen + 1:
                return
            self._wait(children, progress)

    @property
    def _masks(self) -> int:
        return self._counts.get(MASK, 0)

    def _wait(self, children: Children, progress: Progress) -> None:
        """Wait a moment and show how it stands."""
        time.sleep(LOOK_S)
        children.check()
        seconds = time.monotonic() - self._began_s
        sent = self._counts.get(CAMERA_INFO, 0)
        state = f'in {sent}  out {self._masks}' if sent else 'starting'
        progress.describe(f'{seconds:5.1f} s  {state}')
        if not self._masks:
            return  # a process that does not start is reported once, by its error
        if not self._is_playing:
            self._is_playing = True
            progress.say(f'the first mask has come after {seconds:.1f} s')
        while not self._warnings.empty():
            progress.say(self._warnings.get())


def write(play: Play, target: Target, recording: Path) -> None:
    """Draw and score what was recorded and write it; raises ProcessError, OutputError."""
    if not recording.exists():
        raise ProcessError('nothing was recorded')
    with open_bag(recording) as bag:
        run = LiveRun(bag)
        if not run.stamps(MASK):
            raise ProcessError(f'no mask was published: {_why_nothing(run)}')
        config, scene = play.config, play.scene
        label_set = None if config.output.class_remap else run.label_set
        accuracy = AccuracyCounter(_comparison(play, label_set))
        metric = None
        if scene is not None:
            numbers = choose_numbers(run, COMPARED)
            bearings = config.drivable.boundary_bearings
            metric = MetricComparison(scene.scene, numbers, config.ground, bearings)
        output = DemoOutput(target, run, label_set)
        for frame in track(run.frames(), len(run.stamps(OVERLAY)), 'frame', 'drawing'):
            output.add(frame)
            accuracy.add(frame)
            if metric is not None:
                metric.add(frame)
        output.finish(_about(play), accuracy, metric)


def _comparison(play: Play, label_set: LabelSet | None) -> LabelComparison | None:
    """Return how masks of a label set are scored; None where they cannot be."""
    if label_set is None or play.scene is None:
        return None if label_set is None else play.comparison
    same = play.scene.scene.label_set == label_set.name
    return LabelComparison.of(label_set) if same else None


def _hash(files: tuple[Path, ...]) -> str | None:
    """Return the sha256 of what is played, `n/a` where a file of it is gone by now."""
    try:
        return hash_files(files) if files else None
    except SourceError:
        return 'n/a'


def _why_nothing(run: LiveRun) -> str:
    status = run.status('input')
    said = 'the node reported nothing of its input' if status is None else status.message
    return f'{run.counts().sent} images were sent, {said}'


def _about(play: Play) -> dict[str, Any]:
    return {
        'input': {
            'kind': play.kind,
            'name': play.source.name,
            'rate_hz': play.rate_hz,
            'sha256': _hash(play.source.files),
        },
        'settings': play.node,
        'grid': ' '.join(play.grid_note.split()),
    }
