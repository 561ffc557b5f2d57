# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How exact and how fast the drivable area in metres is, with true labels of the scene.

The grid and the boundary of the pipeline are compared with the ground truth of the synthetic
scene, whose geometry is known. No network is involved.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from mfaranet_ros.benchmark.ground import GroundFigures, measure_ground
from mfaranet_ros.cli.scene_arguments import add_scene_arguments, scene_camera, scene_options
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.core.versions import versions
from mfaranet_ros.evaluation.report.figures import metric_figures
from mfaranet_ros.evaluation.report.text import describe_metric
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

SIZE = '1024x2048'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scenes, the frames of each, and the camera."""
    add_scene_arguments(parser, size=SIZE)
    parser.add_argument('--seed', type=int, default=0, metavar='N', help='of the first scene')
    parser.add_argument('--seeds', type=int, default=3, metavar='N', help='scenes; default: 3')
    parser.add_argument(
        '--frames', type=int, default=4, metavar='N', help='of each scene; default: 4'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Measure, and print both tables; raises ConfigError, CalibrationError."""
    if min(args.seeds, args.frames) < 1:
        raise ConfigError(f'--seeds {args.seeds}, --frames {args.frames}: both must be 1 or more')
    camera = scene_camera(args)
    options = scene_options(args, labels='cityscapes')
    drives = [SyntheticScene(args.seed + number, options, camera) for number in range(args.seeds)]
    frames = np.linspace(0, len(drives[0]) - 1, args.frames).astype(int).tolist()
    cv2.setNumThreads(1)
    with Progress(args.seeds * args.frames, 'frame') as progress:
        figures = measure_ground(drives, frames, on_frame=progress.update)
    print(
        f'{camera.width}x{camera.height}, fx {camera.fx:g} px, {camera.z:g} m high, true '
        f'{options.labels} labels, {figures.frames} frames of {args.seeds} scenes'
    )
    print(describe_metric(figures.counts))
    print(_times(figures))
    if args.json:
        write_json(
            args.json,
            {
                'camera': {**vars(camera), 'coefficients': list(camera.coefficients)},
                'options': vars(options),
                'seeds': [drive.world.seed for drive in drives],
                'frames': frames,
                **metric_figures(figures.counts),
                'time_ms': figures.time_ms(),
                'versions': versions(),
            },
        )
    return 0


def _times(figures: GroundFigures) -> str:
    time_ms = figures.time_ms()
    return (
        'grid, boundary and points on one core: '
        f'p50 {time_ms["wall_p50"]:.2f} ms, p95 {time_ms["wall_p95"]:.2f} ms; '
        f'of processor time p50 {time_ms["cpu_p50"]:.2f} ms, p95 {time_ms["cpu_p95"]:.2f} ms'
    )
