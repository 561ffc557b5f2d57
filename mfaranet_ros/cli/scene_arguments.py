# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Arguments of the verbs that use the synthetic scene: its options and its camera."""

from __future__ import annotations

import argparse

from mfaranet_ros.cli.setting_arguments import add_set_argument, parse_size
from mfaranet_ros.core.settings import replace
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.options import (
    PRESETS,
    SceneOptions,
    camera_of,
    options_of,
    preset,
    resized,
)

DEMO_SIZE = f'{SceneCamera.height}x{SceneCamera.width}'


def add_scene_arguments(parser: argparse.ArgumentParser, size: str = DEMO_SIZE) -> None:
    """Declare size, camera and options of the scene."""
    parser.add_argument(
        '--size', default=size, metavar='HxW', help=f'of the images, in px; default: {size}'
    )
    parser.add_argument(
        '--camera', action='append', default=[], metavar='NAME=VALUE',
        help='calibration or mounting, as in --camera pitch=0.1 (may be given several times)',
    )  # fmt: skip
    add_drive_arguments(parser)


def add_drive_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the scene."""
    parser.add_argument(
        '--preset', default='default', metavar='NAME',
        help=f'options to start from, one of {", ".join(PRESETS)}',
    )  # fmt: skip
    add_set_argument(parser, 'any option of the scene, as in --set rain=0.5')


def scene_camera(args: argparse.Namespace) -> SceneCamera:
    """Return the camera these arguments ask for; raises ConfigError, CalibrationError."""
    return camera_of(args.camera, resized(*parse_size(args.size, '--size')))


def scene_options(args: argparse.Namespace, **defaults: str) -> SceneOptions:
    """Return the options of the scene; defaults: those that this verb changes."""
    return options_of(args.set, replace(preset(args.preset), defaults))
