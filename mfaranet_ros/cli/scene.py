# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write the synthetic scene: images, labels, calibration and the ground truth in metres.

Into a folder that `mfaranet evaluate`, `mfaranet train` and the player can read, or with --bag
into an mcap bag.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mfaranet_ros.cli.scene_arguments import add_scene_arguments, scene_camera, scene_options
from mfaranet_ros.cli.setting_arguments import parse_numbers
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import track
from mfaranet_ros.core.versions import versions
from mfaranet_ros.data.synthetic_writer import SceneBag, SceneFolder, SceneOutput
from mfaranet_ros.scenes.grid import GridExtent
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

EXTENT = '0,40,-10,10,0.1'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scene, which of its frames, and where they go."""
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='where to write')
    parser.add_argument('--bag', action='store_true', help='as a bag (mcap), which DIR then is')
    parser.add_argument(
        '--seed', type=int, default=0, metavar='N', help='number of the scene; default: 0'
    )
    parser.add_argument(
        '--frames',
        type=int,
        metavar='N',
        help='number of frames, from its beginning; default: all',
    )
    add_scene_arguments(parser)
    parser.add_argument(
        '--format', choices=('png', 'jpg'), default='png', help='of the images; default: png'
    )
    parser.add_argument(
        '--grid', default=EXTENT, metavar='LIST',
        help='of the ground truth in metres: x_min,x_max,y_min,y_max,resolution, or none; '
        f'default: {EXTENT}',
    )  # fmt: skip
    parser.add_argument('--overwrite', action='store_true', help='replace existing files')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write a summary there')


def main(args: argparse.Namespace) -> int:
    """Write the frames; raises MfaranetError."""
    drive = SyntheticScene(args.seed, scene_options(args), scene_camera(args))
    count = len(drive) if args.frames is None else args.frames
    if not 1 <= count <= len(drive):
        raise ConfigError(
            f'--frames {count}: the scene has 1 to {len(drive)}, more by --set duration_s=SECONDS'
        )
    finder = None if args.grid == 'none' else MetricGroundTruthFinder(drive, _extent(args.grid))
    output = _output(args, drive)
    try:
        for index in track(range(count), count, 'frame'):
            output.add(drive.frame(index), finder.at(index) if finder else None)
    finally:
        output.close()
    kind = 'bag' if args.bag else 'folder'
    print(
        f'{args.out}: {count} frames of scene {args.seed}, {drive.label_set} labels, as a {kind}'
    )
    if args.json:
        write_json(
            args.json,
            {
                'out': str(args.out),
                'kind': kind,
                'frames': count,
                'seed': args.seed,
                'size': [drive.camera.height, drive.camera.width],
                'options': vars(drive.options),
                'versions': versions(),
            },
        )
    return 0


def _output(args: argparse.Namespace, drive: SyntheticScene) -> SceneOutput:
    if args.bag:
        return SceneBag(args.out, drive, overwrite=args.overwrite)
    return SceneFolder(args.out, drive, f'.{args.format}', overwrite=args.overwrite)


def _extent(text: str) -> GridExtent:
    values = parse_numbers(text, '--grid')
    if len(values) != 5:
        raise ConfigError(f'--grid {text}: write x_min,x_max,y_min,y_max,resolution or none')
    return GridExtent(*values)
