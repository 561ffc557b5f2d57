# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Play the synthetic scene, images or a video through the node; show what it sees and how fast.

Player, node and recorder run as separate processes and talk over ROS, as on a vehicle. The demo
leaves a video, three overlays, the metric grid as an image, and all figures as JSON. The scene
comes with its ground truth, so that the figures also say how accurate the node was.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from mfaranet_ros.backends.network import load_network
from mfaranet_ros.benchmark.demo_output import Target
from mfaranet_ros.benchmark.demo_run import Play, run_demo
from mfaranet_ros.cli.comparison_arguments import (
    add_comparison_arguments,
    is_comparison_given,
    read_comparison,
)
from mfaranet_ros.cli.setting_arguments import add_model_arguments, model_config
from mfaranet_ros.core.config import PipelineConfig, Value, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.data.image_sources import ImageFolder, Source
from mfaranet_ros.data.synthetic_source import SceneSource, ground_settings
from mfaranet_ros.data.video import VideoFile
from mfaranet_ros.evaluation.runs.comparison import LabelComparison

SOURCES: dict[str, Callable[[str], Source]] = {'images': ImageFolder, 'video': VideoFile}
"""What can be played, by the name of its argument and of the player's setting."""

NOMINAL_HFOV_DEG = 50.0
NOMINAL_POSE: dict[str, Value] = {
    'ground.extrinsics': 'parameters', 'ground.z': 1.3, 'ground.pitch': 0.0,
}  # fmt: skip
"""A camera behind the windscreen of a car, for images whose camera is not known."""


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
    add_comparison_arguments(parser)
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
    return run_demo(play, target)


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
    comparison = _comparison(args, config, source)
    return Play(source, kind, rate_hz, player, config, _grid_note(args, config), comparison)


def _comparison(
    args: argparse.Namespace, config: PipelineConfig, source: Source
) -> LabelComparison | None:
    """Return how labels beside the images are compared; None where nothing says what they mean."""
    if not is_comparison_given(args):
        return None
    network = load_network(config.model).label_set
    return read_comparison(args, network, has_ground_truth=source.has_ground_truth)


def _prepare_scene(args: argparse.Namespace) -> Play:
    """Return the demo of the synthetic scene, whose camera is known."""
    if is_comparison_given(args):
        raise ConfigError(
            '--merge, --table, --labels: the synthetic scene has its own ground truth, leave them '
            'out'
        )
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
