# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Play the synthetic scene, images or a video through the node; show what it sees and how fast.

Player, node and a recorder run as processes of their own and talk over ROS, as on a vehicle. Left
behind are a video, three overlays, the metric grid as an image, and all figures as JSON. The
scene comes with its ground truth, so that the figures also say how right the node was.
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
from typing import Any

from mfaranet_ros.cli.children import (
    Child,
    Children,
    interrupted_by_signals,
    ros_environment,
)
from mfaranet_ros.cli.demo_live import LiveLine
from mfaranet_ros.cli.demo_metric import MetricComparison, compare_in_metres
from mfaranet_ros.cli.demo_output import DemoOutput
from mfaranet_ros.cli.demo_results import Results
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
from mfaranet_ros.data.playback_sources import ImageFolder, Source, VideoFile
from mfaranet_ros.data.synthetic_source import SceneSource, ground_settings
from mfaranet_ros.data.wire import Record, read_records

SOURCES: dict[str, Callable[[str], Source]] = {'images': ImageFolder, 'video': VideoFile}
"""What can be played, by the name of its argument and of the player's setting."""

NOMINAL_HFOV_DEG = 50.0
NOMINAL_POSE: dict[str, Value] = {
    'ground.extrinsics': 'parameters', 'ground.z': 1.3, 'ground.pitch': 0.0,
}  # fmt: skip
"""A camera behind the windscreen of a car; what the images' own camera was, nobody says."""

START_S = 180.0
"""How long loading and warming up may take before the first image is played."""

SAMPLE_EVERY = 4
"""Of so many processed images of the scene one is compared with the ground truth in metres."""

DRAIN_S = 10.0
"""How long the node may take to finish what it was sent."""


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
        help='end after so long at the latest; default: when all is played',
    )  # fmt: skip
    parser.add_argument(
        '--out', type=Path, default=Path('out/demo'), metavar='DIR', help='default: out/demo'
    )
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='the figures; default: DIR/figures.json'
    )


@dataclass(frozen=True)
class Play:
    """One demo, checked: what is played and what the processes are told."""

    source: Source
    kind: str
    rate_hz: float
    player: dict[str, Value]
    config: PipelineConfig
    grid_note: str

    @property
    def scene(self) -> SceneSource | None:
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
    output = DemoOutput(
        args.out, args.json, play.rate_hz, play.grid_note, palette=play.config.output.palette
    )
    results = Results(
        is_remapped=bool(play.config.output.class_remap),
        ground_truth_labels=play.scene.drive.label_set if play.scene else '',
        sample_every=SAMPLE_EVERY if play.scene else 0,
    )
    problems: list[MfaranetError] = []
    exit_code = 0
    with interrupted_by_signals():
        try:
            run(play, results, output)
        except KeyboardInterrupt:
            exit_code = 130
        except ProcessError as error:
            problems.append(error)
        if not results.counts['mask'] and not problems and not exit_code:
            problems.append(ProcessError(f'no mask was published: {_why_nothing(results)}'))
        if results.counts['mask']:
            try:
                output.finish(results, _about(play), lambda: _in_metres(play, results))
            except OutputError as error:
                problems.append(error)
    if problems:
        raise type(problems[0])('; '.join(map(str, problems)))
    return exit_code


def prepare(args: argparse.Namespace) -> Play:
    """Check all that can be checked before a process is started; raises MfaranetError."""
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
    pose |= ground_settings(source.drive.camera)
    config = _node_config(args, rate_hz, pose)
    return Play(source, 'scene', rate_hz, player, config, 'camera as drawn')


def _in_metres(play: Play, results: Results) -> MetricComparison | None:
    """Return how the metric outputs agree with the ground truth, where there is one."""
    if play.scene is None or not results.samples:
        return None
    return compare_in_metres(
        play.scene.drive,
        results.samples,
        play.config.ground,
        play.config.drivable.boundary_bearings,
    )


def _node_config(
    args: argparse.Namespace, rate_hz: float, pose: dict[str, Value]
) -> PipelineConfig:
    """Return what the node is told; it runs elsewhere, so the path is absolute."""
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
    """Say by which camera the grid was computed, so that nobody takes a guess for a measure."""
    height = f'{config.ground.z:g} m high'
    if not args.calibration:
        return f'nominal camera of {NOMINAL_HFOV_DEG:g} deg, {height}:\ndistances are not measured'
    return f'calibrated camera, {height}{"" if "ground.z" in _set(args) else " (nominal)"}'


def _why_nothing(results: Results) -> str:
    status = results.status('segmentation: input')
    said = 'the node said nothing of its input' if status is None else status.fact('message')
    return f'{results.frames.sent} images were sent, {said}'


def _hash(files: tuple[Path, ...]) -> str | None:
    """Return the sha256 of what is played, `n/a` where a file of it is gone by now."""
    try:
        return hash_files(files) if files else None
    except SourceError:
        return 'n/a'


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


def run(play: Play, results: Results, output: DemoOutput) -> None:
    """Play from the first image to the last; raises ProcessError, OutputError."""
    events: queue.SimpleQueue[Record | str | None] = queue.SimpleQueue()
    with Children(ros_environment(), on_trouble=events.put) as children:
        recorder = children.start('recorder', 'demo_recorder', {}, has_output=True)
        reader = threading.Thread(target=_read, args=(recorder, events), daemon=True)
        reader.start()
        children.start('segmentation', 'segmentation_node', play.node)
        player = children.start('player', 'player_node', play.player)
        try:
            _Stage(events, results, output, children, player).act()
        finally:
            children.end()
            reader.join(1.0)
            with suppress(queue.Empty):
                while isinstance(event := events.get_nowait(), Record | str):
                    if isinstance(event, Record):
                        results.add(event)


def _read(recorder: Child, events: queue.SimpleQueue[Record | str | None]) -> None:
    with recorder.output as stream:
        for record in read_records(stream):
            events.put(record)
    events.put(None)


class _Stage:
    """What is seen while the processes run: takes events, draws, and shows the live line."""

    def __init__(
        self,
        events: queue.SimpleQueue[Record | str | None],
        results: Results,
        output: DemoOutput,
        children: Children,
        player: Child,
    ) -> None:
        self._events = events
        self._results = results
        self._output = output
        self._children = children
        self._player = player
        self._line = LiveLine()
        self._said: list[str] = []

    def act(self) -> None:
        try:
            self._until(self._is_playing, START_S, 'no image was played')
            self._until(self._is_played, float('inf'), '')
            ended_ns = time.time_ns()
            self._until(lambda: self._is_drained(ended_ns), DRAIN_S, '')
        finally:
            self._line.close(self._results)

    def _until(self, reached: Callable[[], bool], timeout_s: float, complaint: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not reached():
            self._children.check()
            self._take_events()
            self._line.show(self._results)
            if time.monotonic() > deadline:
                if complaint:
                    raise ProcessError(f'{complaint} within {timeout_s:g} s')
                return

    def _take_events(self) -> None:
        """Take what came; wait a moment where nothing did."""
        with suppress(queue.Empty):
            event = self._events.get(timeout=0.1)
            while True:
                if isinstance(event, str):
                    self._said.append(event)
                elif isinstance(event, Record):
                    self._results.add(event)
                event = self._events.get_nowait()
        for bundle, view in self._results.complete():
            self._output.add(bundle, view, self._results)
        if self._is_playing():
            # Not before: what keeps a process from starting is said once, by the error.
            for text in self._said:
                self._line.say(text)
            self._said.clear()

    def _is_playing(self) -> bool:
        return self._results.counts['mask'] > 0 or self._is_played()

    def _is_played(self) -> bool:
        return self._player.exit_code is not None

    def _is_drained(self, ended_ns: int) -> bool:
        """Whether the node has said, since the player ended, that nothing is left to do."""
        status = self._results.status('segmentation: input')
        return (
            status is not None
            and status.stamp_ns > ended_ns
            and status.fact('frames_pending') == '0'
        )
