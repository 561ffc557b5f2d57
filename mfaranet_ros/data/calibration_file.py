# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The calibration of recorded images: from a camera_calibration YAML file, or a nominal one."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.pipeline.messages import CameraInfo, Floats, Header, Time

UNSTAMPED = Header(Time(0, 0), '')


def nominal_camera_info(height: int, width: int, hfov_deg: float) -> CameraInfo:
    """Return an ideal pinhole camera with square pixels and this horizontal field of view.

    It is a guess for images of an unknown camera: what is measured with it is as wrong as it is.
    """
    focal_px = width / (2 * math.tan(math.radians(hfov_deg) / 2))
    k = np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])
    p = np.hstack([k, np.zeros((3, 1))])
    return CameraInfo(
        UNSTAMPED, height, width, 'plumb_bob', np.zeros(5), k.ravel(), np.eye(3).ravel(), p.ravel()
    )


def read_calibration(path: str | Path) -> CameraInfo:
    """Read what the ROS camera_calibration tool writes (YAML), as it stands there.

    Raises CalibrationError for a file that is missing or lacks something.
    """
    try:
        content = yaml.safe_load(Path(path).expanduser().read_text(encoding='utf-8'))
    except OSError as error:
        raise CalibrationError(
            f'{path}: {error.strerror or error}; give a camera_calibration YAML file'
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CalibrationError(f'{path} is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict):
        raise CalibrationError(f'{path} is not a camera_calibration file: it holds no names')
    try:
        return CameraInfo(
            UNSTAMPED,
            _size(content, 'image_height'),
            _size(content, 'image_width'),
            str(content['distortion_model']),
            _matrix(content, 'distortion_coefficients', None),
            _matrix(content, 'camera_matrix', 9),
            _matrix(content, 'rectification_matrix', 9),
            _matrix(content, 'projection_matrix', 12),
        )
    except KeyError as error:
        raise CalibrationError(
            f'{path} lacks {error}: give a file as camera_calibration writes it'
        ) from error
    except (TypeError, ValueError) as error:
        raise CalibrationError(f'{path}: {error}') from error


def calibration_yaml(calibration: CameraInfo) -> str:
    """Return a calibration as the ROS camera_calibration tool writes it."""

    def matrix(values: Floats, rows: int) -> dict[str, Any]:
        return {'rows': rows, 'cols': len(values) // rows, 'data': values.tolist()}

    content = {
        'image_width': calibration.width,
        'image_height': calibration.height,
        'camera_name': 'camera',
        'distortion_model': calibration.distortion_model,
        'camera_matrix': matrix(calibration.k, 3),
        'distortion_coefficients': matrix(calibration.d, 1),
        'rectification_matrix': matrix(calibration.r, 3),
        'projection_matrix': matrix(calibration.p, 3),
    }
    return str(yaml.safe_dump(content, sort_keys=False))


def check_size(calibration: CameraInfo, height: int, width: int, what: str) -> None:
    """Raise CalibrationError unless the calibration is for images of this size in pixels."""
    if (calibration.height, calibration.width) != (height, width):
        raise CalibrationError(
            f'the calibration is for {calibration.width}x{calibration.height} px, {what} has '
            f'{width}x{height}: give the calibration of these images, or none for a nominal one'
        )


def stamped(calibration: CameraInfo, header: Header) -> CameraInfo:
    """Return the calibration under the header of an image."""
    return dataclasses.replace(calibration, header=header)


def _size(content: dict[str, Any], name: str) -> int:
    value = content[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f'{name} = {value!r}: must be a number of pixels, 1 or more')
    return value


def _matrix(content: dict[str, Any], name: str, length: int | None) -> Floats:
    values = np.asarray(content[name]['data'], np.float64).ravel()
    if length is not None and values.size != length:
        raise ValueError(f'{name} has {values.size} values: must be {length}')
    if not np.isfinite(values).all():
        raise ValueError(f'{name} holds values that are not finite')
    return values
