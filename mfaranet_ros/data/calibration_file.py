# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The calibration of recorded images: from a file as the usual tools write it, or nominal."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.core.parsing import parse_yaml
from mfaranet_ros.pipeline.messages import CameraInfo, Floats, Header, Time

UNSTAMPED = Header(Time(0, 0), '')

OPENCV_START = '%YAML:1.'

KALIBR_MODELS = {'radtan': 'plumb_bob', 'equidistant': 'equidistant', 'none': 'plumb_bob'}
"""The distortion models of Kalibr, and what ROS calls them."""


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


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads the matrices of OpenCV as well, which are mappings under a tag."""


_Loader.add_multi_constructor(
    'tag:yaml.org,2002:opencv-',
    lambda loader, _, node: loader.construct_mapping(node, deep=True),
)


def read_calibration(path: str | Path) -> CameraInfo:
    """Read a calibration file: of the ROS camera_calibration tool, of OpenCV or of Kalibr.

    What files of OpenCV and Kalibr do not hold: the rectification is the identity, the projection
    matrix the camera matrix, and the distortion model of OpenCV follows from the number of its
    coefficients.
    Raises CalibrationError for a file that is missing or lacks something.
    """
    try:
        text = Path(path).expanduser().read_text(encoding='utf-8')
        # OpenCV begins with %YAML:1.0, which is no directive of YAML.
        lines = [line for line in text.splitlines() if not line.startswith('%YAML')]
        content = parse_yaml('\n'.join(lines), _Loader)
    except OSError as error:
        raise CalibrationError(
            f'{path}: {error.strerror or error}; give a calibration file (YAML)'
        ) from error
    except ValueError as error:
        raise CalibrationError(f'{path} is not YAML: {error}') from error
    if not isinstance(content, dict):
        raise CalibrationError(f'{path} is not a calibration file: it holds no names')
    try:
        return _of_kalibr(content) or _of_ros({**_missing_in_opencv(text, content), **content})
    except KeyError as error:
        raise CalibrationError(
            f'{path} lacks {error}: give a file as camera_calibration, OpenCV or Kalibr writes it'
        ) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise CalibrationError(f'{path}: {error}') from error


def _of_ros(content: dict[str, Any]) -> CameraInfo:
    # Old versions of camera_calibration call the model of the distortion that of the camera.
    model = 'camera_model' if 'camera_model' in content else 'distortion_model'
    return CameraInfo(
        UNSTAMPED,
        _size(content, 'image_height'),
        _size(content, 'image_width'),
        str(content.get('distortion_model') or content[model]),
        _matrix(content, 'distortion_coefficients', None),
        _matrix(content, 'camera_matrix', 9),
        _matrix(content, 'rectification_matrix', 9),
        _matrix(content, 'projection_matrix', 12),
    )


def _missing_in_opencv(text: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return what a file of OpenCV does not hold; nothing for a file of ROS, which holds all."""
    if not text.startswith(OPENCV_START):
        return {}
    k = _matrix(content, 'camera_matrix', 9)
    few = _matrix(content, 'distortion_coefficients', None).size <= 5
    model = 'plumb_bob' if few else 'rational_polynomial'
    return {
        'distortion_model': 'equidistant' if content.get('fisheye_model') else model,
        'rectification_matrix': {'data': np.eye(3)},
        'projection_matrix': {'data': np.insert(k.reshape(3, 3), 3, 0, axis=1)},
    }


def _of_kalibr(content: dict[str, Any]) -> CameraInfo | None:
    """Return the calibration of a camchain file, None for another kind of file."""
    cameras = {name: value for name, value in content.items() if _is_kalibr_camera(value)}
    if not cameras:
        return None
    if len(cameras) > 1:
        raise ValueError(f'it holds {", ".join(cameras)}: leave one of them')
    ((name, camera),) = cameras.items()
    if camera.get('camera_model') != 'pinhole':
        raise ValueError(
            f'{name} has the camera model {camera.get("camera_model")!r}: only pinhole is read'
        )
    distortion = str(camera.get('distortion_model', 'none'))
    if distortion not in KALIBR_MODELS:
        raise ValueError(
            f'{name} has the distortion model {distortion!r}: choose from '
            f'{", ".join(KALIBR_MODELS)}'
        )
    d = np.zeros(5 if distortion != 'equidistant' else 4)
    given = np.asarray(camera.get('distortion_coeffs', ()), np.float64)
    if given.size > d.size or not np.isfinite(given).all():
        raise ValueError(f'{name}: distortion_coeffs = {given.tolist()} do not fit {distortion}')
    d[: given.size] = given
    fx, fy, cx, cy = (float(value) for value in camera['intrinsics'])
    width, height = camera['resolution']
    size = {'image_width': width, 'image_height': height}
    k = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if not np.isfinite(k).all():
        raise ValueError(f'{name}: intrinsics hold values that are not finite')
    return CameraInfo(
        UNSTAMPED,
        _size(size, 'image_height'),
        _size(size, 'image_width'),
        KALIBR_MODELS[distortion],
        d,
        k.ravel(),
        np.eye(3).ravel(),
        np.insert(k, 3, 0, axis=1).ravel(),
    )


def _is_kalibr_camera(value: Any) -> bool:
    return isinstance(value, dict) and 'intrinsics' in value and 'resolution' in value


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
