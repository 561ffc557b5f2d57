# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How many frames of the synthetic scene one core draws in a second, with all their ground truth.

The reference is decoding a JPEG of the same image, measured alternately with the drawing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mfaranet_ros.benchmark.drawing import DrawingTimes, measure_drawing
from mfaranet_ros.cli.scene_arguments import add_drive_arguments, scene_options
from mfaranet_ros.cli.setting_arguments import parse_size
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.core.versions import versions
from mfaranet_ros.scenes.options import resized
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

SIZES = ('360x480', '1024x2048')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare sizes, frames and options of the scene."""
    parser.add_argument(
        '--sizes', nargs='+', default=SIZES, metavar='HxW',
        help=f'of the images, in px; default: {" ".join(SIZES)}',
    )  # fmt: skip
    add_drive_arguments(parser)
    parser.add_argument('--seed', type=int, default=0, metavar='N', help='of the synthetic scene')
    parser.add_argument('--frames', type=int, default=20, metavar='N', help='default: 20')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Measure each size, and print the table; raises ConfigError."""
    if args.frames < 1:
        raise ConfigError(f'--frames {args.frames}: must be 1 or more')
    cameras = [resized(*parse_size(size, '--sizes')) for size in args.sizes]
    drives = [SyntheticScene(args.seed, scene_options(args), camera) for camera in cameras]
    frames = np.linspace(0, len(drives[0]) - 1, args.frames).astype(int).tolist()
    cv2.setNumThreads(1)
    with Progress(len(drives) * len(frames), 'frame') as progress:
        times = [measure_drawing(drive, frames, on_frame=progress.update) for drive in drives]
    print(table(times))
    if args.json:
        figures = [{**vars(entry), 'rate_hz': entry.rate_hz} for entry in times]
        write_json(args.json, {'seed': args.seed, 'sizes': figures, 'versions': versions()})
    return 0


def table(times: Sequence[DrawingTimes]) -> str:
    """Return the figures as a table."""
    rows = ['processor time of one thread, median']
    rows.append(f'{"size":<12}{"frame":>11}{"frames/s":>10}{"JPEG decoded":>14}{"ratio":>7}')
    for entry in times:
        draw, decode = f'{entry.draw_ms:.1f} ms', f'{entry.decode_ms:.2f} ms'
        size = f'{entry.width}x{entry.height}'
        rows.append(f'{size:<12}{draw:>11}{entry.rate_hz:>10.1f}{decode:>14}{entry.ratio:>7.1f}')
    return '\n'.join(rows)
