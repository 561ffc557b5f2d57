# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Play the synthetic scene, images or a video through the node; show what it sees and how fast.

Player, node and recorder run as separate processes and talk over ROS, as on a vehicle. The demo
leaves a video, three overlays, the metric grid as an image, and all figures as JSON. The scene
comes with its ground truth, so that the figures also say how accurate the node was.
"""

from __future__ import annotations

import argparse
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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
from mfaranet_ros.cli.demo_output import DemoOutput, Target
from mfaranet_ros.cli.progress import Progress, track
from mfaranet_ros.cli.setting_arguments import add_model_arguments, model_config
from mfaranet_ros.core.config import PipelineConfig, Value, replace, settings_of, value_of
from mfaranet_ros.core.errors import (
    ConfigError,
    MfaranetError,
    OutputError,
    ProcessError,
    SourceError,
)
from mfaranet_ros.core.files import hash_files
from mfaranet_ros.core.processes import (
    Child,
    Children,
    interrupted_by_signals,
    ros_environment,
)
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.recorder import RecordingStatus
from mfaranet_ros.data.image_sources import ImageFolder, Source
from mfaranet_ros.data.synthetic_source import SceneSource, ground_settings
from mfaranet_ros.data.video import VideoFile

SOURCES: dict[str, Callable[[str], Source]] = {'images': ImageFolder, 'video': VideoFile}
"""What can be played, by the name of its argument and of the player's setting."""

NOMINAL_HFOV_DEG = 50.0
NOMINAL_POSE: dict[str, Value] = {
    'ground.extrinsics': 'parameters', 'ground.z': 1.3, 'ground.pitch': 0.0,
}  # fmt: skip
"""A camera behind the windscreen of a car, for images whose camera is not known."""

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is played, with which network, and where the results go."""
    given = parser.add_mutually_exclusive_group()
    given.add_argument('--images', metavar='DIR', help='folder of images to play')
    given.add_argument('--video', metavar='FILE', help='video file to play')
    parser.add_argument(
        '--seed', type=int, default=0, metavar='N', help='of the synthetic scene; default: 0'
    )
    for name, example in (('scene', 'rain=0.5'), ('camera', 'pitch=0.05')):
        parser.add_argument(
            f'--{name}', action='append', default=[], metavar='NAME=VALUE',
            help=f'of the synthetic scene, as in --{name} {example} (may be given several times)',
        )  # fmt: skip
    add_model_arguments(parser)
    parser.add_argument(
        '--calibration', metavar='FILE', help='YAML of camera_calibration; default: a nominal one'
    )
    parser.add_argument(
        '--rate', type=float, default=0.0, metavar='HZ',
        help="images per second; default: the video's own, 10 for a folder",
    )  # fmt: skip
    parser.add_argument(
        '--seconds', type=float, default=0.0, metavar='N',
        help='end after this long at the latest; default: at the end of the source',
    )  # fmt: skip
    parser.add_argument(
        '--out', type=Path, default=Path('out/demo'), metavar='DIR', help='default: out/demo'
    )
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='the figures; default: DIR/figures.json'
    )


@dataclass(frozen=True)
class Play:
    """One demo, checked: what is played, and the parameters of the processes."""

    source: Source
    kind: str
    rate_hz: float
    player: dict[str, Value]
    config: PipelineConfig
    grid_note: str

    @property
    def scene(self) -> SceneSource | None:
        """The synthetic scene, or None for images and videos."""
        return self.source if isinstance(self.source, SceneSource) else None

    @property
    def node(self) -> dict[str, Value]:
        """The settings of the node that are not its own defaults."""
        return {
            setting.name: value
            for setting in settings_of(self.config)
            if (value := value_of(self.config, setting.name)) != setting.default
        }


def main(args: argparse.Namespace) -> int:
    """Run the demo and return 0, or 130 where Ctrl-C ended it.

    What there was by then is written, however it ended. Raises MfaranetError.
    """
    play = prepare(args)
    target = Target(
        args.out,
        args.json or args.out / 'figures.json',
        play.rate_hz,
        play.grid_note,
        play.config.output.palette,
    )
    target.clear()
    problems: list[MfaranetError] = []
    exit_code = 0
    with TemporaryDirectory(prefix='.recording.', dir=args.out) as folder:
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


def prepare(args: argparse.Namespace) -> Play:
    """Check everything before a process is started; raises MfaranetError."""
    kind = next((name for name in SOURCES if getattr(args, name)), 'scene')
    if args.rate < 0 or args.seconds < 0:
        raise ConfigError(f'--rate {args.rate:g} --seconds {args.seconds:g}: must not be negative')
    if kind == 'scene':
        return _prepare_scene(args)
    foreign = [name for name in ('seed', 'scene', 'camera') if getattr(args, name)]
    if foreign:
        raise ConfigError(
            f'--{foreign[0]} is for the synthetic scene, which --{kind} replaces: leave it out'
        )
    source = SOURCES[kind](getattr(args, kind))
    rate_hz = args.rate or source.rate_hz
    player: dict[str, Value] = {
        kind: str(Path(getattr(args, kind)).expanduser().absolute()),
        'rate_hz': float(rate_hz),
        'duration_s': float(args.seconds),
        'hfov_deg': NOMINAL_HFOV_DEG,
    }
    if args.calibration:
        player['calibration'] = str(Path(args.calibration).expanduser().absolute())
    config = _node_config(args, rate_hz, NOMINAL_POSE)
    return Play(source, kind, rate_hz, player, config, _grid_note(args, config))


def _prepare_scene(args: argparse.Namespace) -> Play:
    """Return the demo of the synthetic scene, whose camera is known."""
    if args.calibration:
        raise ConfigError(
            '--calibration: the synthetic scene brings its own, change it with --camera NAME=VALUE'
        )
    options, camera = ' '.join(args.scene), ' '.join(args.camera)
    source = SceneSource(args.seed, options, camera)
    rate_hz = args.rate or source.rate_hz
    player: dict[str, Value] = {
        'source': 'scene',
        'seed': args.seed,
        'scene_options': options,
        'scene_camera': camera,
        'rate_hz': float(rate_hz),
        'duration_s': float(args.seconds),
    }
    pose: dict[str, Value] = {'ground.extrinsics': 'parameters'}
    pose |= ground_settings(source.scene.camera)
    config = _node_config(args, rate_hz, pose)
    return Play(source, 'scene', rate_hz, player, config, 'camera as drawn')


def _node_config(
    args: argparse.Namespace, rate_hz: float, pose: dict[str, Value]
) -> PipelineConfig:
    """Return the config of the node; it runs elsewhere, so the path is absolute."""
    if args.weights is not None:
        args.weights = Path(args.weights).expanduser().absolute()
    ours = {**pose, 'diagnostics.expected_rate_hz': float(rate_hz)}
    return replace(
        model_config(args), {name: value for name, value in ours.items() if name not in _set(args)}
    )


def _set(args: argparse.Namespace) -> set[str]:
    """Return the names of the settings that were given with --set."""
    return {assignment.partition('=')[0] for assignment in args.set}


def _grid_note(args: argparse.Namespace, config: PipelineConfig) -> str:
    """Return which camera the grid was computed with, so that a guess is not taken as measured."""
    height = f'{config.ground.z:g} m high'
    if not args.calibration:
        return f'nominal camera of {NOMINAL_HFOV_DEG:g} deg, {height}:\ndistances are not measured'
    return f'calibrated camera, {height}{"" if "ground.z" in _set(args) else " (nominal)"}'


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


# -- the run ----------------------------------------------------------------------------------


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
            return  # what keeps a process from starting is said once, by the error
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
        same_labels = label_set and (not scene or scene.scene.label_set == label_set.name)
        accuracy = AccuracyCounter(label_set if same_labels else None)
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


def _hash(files: tuple[Path, ...]) -> str | None:
    """Return the sha256 of what is played, `n/a` where a file of it is gone by now."""
    try:
        return hash_files(files) if files else None
    except SourceError:
        return 'n/a'
