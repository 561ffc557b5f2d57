"""The camera of the drive: which way each of its pixels looks, by OpenCV.

It is the truth that `pipeline/camera.py` is tested against, and shares no code with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.errors import CalibrationError, UnknownNameError

Floats = NDArray[np.float64]

MODELS = {'plumb_bob': (0, 4, 5), 'rational_polynomial': (8,), 'equidistant': (4,)}
"""The distortion models of CameraInfo with their numbers of coefficients."""

_BODY_FROM_OPTICAL = ((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
_GRAIN = 2.0**-40


@dataclass(frozen=True)
class SceneCamera:
    """A camera of one's choice on the ego car; the defaults are those of the demo.

    width, height, fx, fy, cx, cy in pixels; the principal point is the middle of the picture
    where not given, and fy is fx. model, coefficients: as in CameraInfo.
    x, y, z: in base_link (REP-105), in metres. roll, pitch, yaw: of the camera body about the
    fixed axes x, y, z in that order (REP-103), in radians: positive pitch looks down.
    Raises CalibrationError for a camera that cannot be.
    """

    width: int = 480
    height: int = 360
    fx: float = 500.0
    fy: float = 0.0
    cx: float = math.nan
    cy: float = math.nan
    model: str = 'plumb_bob'
    coefficients: tuple[float, ...] = ()
    x: float = 1.5
    y: float = 0.0
    z: float = 1.4
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (
            ('fy', self.fy or self.fx),
            ('cx', (self.width - 1) / 2 if math.isnan(self.cx) else self.cx),
            ('cy', (self.height - 1) / 2 if math.isnan(self.cy) else self.cy),
        ):
            object.__setattr__(self, name, value)
        if self.model not in MODELS:
            raise CalibrationError(str(UnknownNameError('distortion model', self.model, MODELS)))

    @property
    def k(self) -> Floats:
        """The camera matrix, float64 (3, 3)."""
        return np.array(((self.fx, 0, self.cx), (0, self.fy, self.cy), (0, 0, 1)), np.float64)

    @property
    def rotation(self) -> Floats:
        """What turns directions of the optical frame into those of base_link: (3, 3)."""
        (sr, cr), (sp, cp), (sy, cy) = (
            (math.sin(angle), math.cos(angle)) for angle in (self.roll, self.pitch, self.yaw)
        )
        about_x = np.array(((1, 0, 0), (0, cr, -sr), (0, sr, cr)))
        about_y = np.array(((cp, 0, sp), (0, 1, 0), (-sp, 0, cp)))
        about_z = np.array(((cy, -sy, 0), (sy, cy, 0), (0, 0, 1)))
        product = about_z @ about_y @ about_x @ np.array(_BODY_FROM_OPTICAL)
        return np.asarray(np.rint(product / _GRAIN) * _GRAIN)

    def rays(self) -> Floats:
        """Return where each pixel looks: float64 (height, width, 3), unit vectors of base_link."""
        columns, rows = np.meshgrid(np.arange(self.width), np.arange(self.height))
        pixels = np.stack((columns, rows), axis=-1).reshape(-1, 1, 2).astype(np.float64)
        d = np.array(self.coefficients or (0.0,) * 4)
        undistort = (
            cv2.fisheye.undistortPoints if self.model == 'equidistant' else cv2.undistortPoints
        )
        flat = undistort(pixels, self.k, d).reshape(self.height, self.width, 2)
        x, y = np.rint(flat.transpose(2, 0, 1) / _GRAIN) * _GRAIN
        length = np.sqrt(x * x + y * y + 1)
        x, y, z = x / length, y / length, 1 / length
        r = self.rotation
        return np.stack([r[i, 0] * x + r[i, 1] * y + r[i, 2] * z for i in range(3)], axis=-1)
