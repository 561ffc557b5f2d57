# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The options of the synthetic scene, each defined once, and how texts NAME=VALUE set them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.settings import Value, parse_settings, replace, setting
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.kinds import LABEL_SETS


@dataclass(frozen=True)
class SceneOptions:
    """How the world is generated, lit and photographed; the defaults are those of the demo.

    Change them with `settings.replace`, which checks names and values.
    """

    side: str = setting('left', 'side of the road that is driven on', choices=('left', 'right'))
    speed_mps: float = setting(8.0, 'speed of the ego car', unit='m/s', low=0.0, high=30.0)
    rate_hz: float = setting(10.0, 'frames per second', unit='Hz', low=0.1, high=1000.0)
    duration_s: float = setting(20.0, 'length of the scene', unit='s', low=0.1, high=3600.0)
    labels: str = setting('cityscapes', 'label set of the ground truth', choices=LABEL_SETS)
    curvature: float = setting(1.0, 'how much the road winds; 0: straight', low=0.0, high=2.0)
    parked: float = setting(0.4, 'share of the kerb taken by parked cars', low=0.0, high=1.0)
    traffic: float = setting(1.0, 'moving cars; 0: none', low=0.0, high=3.0)
    people: float = setting(1.0, 'pedestrians and cyclists; 0: none', low=0.0, high=3.0)
    trees: float = setting(1.0, 'trees and hedges between the houses; 0: none', low=0.0, high=2.0)
    sun_azimuth_deg: float = setting(
        -155.0, 'direction of the sun, from the x axis of the world to the left', unit='deg',
        low=-360.0, high=360.0,
    )  # fmt: skip
    sun_elevation_deg: float = setting(
        40.0, 'elevation of the sun', unit='deg', low=5.0, high=90.0
    )
    shadow: float = setting(0.5, 'how dark shadows are; 0: overcast', low=0.0, high=1.0)
    haze_m: float = setting(
        600.0, 'distance at which haze hides half; 0: clear air', unit='m', low=0.0, high=1e5
    )
    exposure: float = setting(1.0, 'brightness of the images', low=0.05, high=8.0)
    noise: float = setting(
        2.0, 'standard deviation of the sensor noise', unit='levels of 255', low=0.0, high=50.0
    )
    blur: float = setting(0.5, 'softness of the lens', unit='px', low=0.0, high=10.0)
    rain: float = setting(0.0, 'streaks and wet ground; 0: dry', low=0.0, high=1.0)
    dusk: float = setting(
        0.0,
        '0: day, 1: night, lit by the headlights of the ego car',
        low=0.0,
        high=1.0,
    )
    nod_deg: float = setting(
        0.0, 'largest pitch of the body when braking and accelerating; 0: constant speed',
        unit='deg', low=0.0, high=5.0,
    )  # fmt: skip
    bump_m: float = setting(
        0.0, 'height of the highest bumps in the road; 0: none', unit='m', low=0.0, high=0.15
    )
    sway_deg: float = setting(
        0.0, 'largest tilt of the road to its sides; 0: level', unit='deg', low=0.0, high=5.0
    )
    mount_shift_deg: float = setting(
        0.0, 'by how much the camera is suddenly pitched down on its mount', unit='deg',
        low=-5.0, high=5.0,
    )  # fmt: skip
    mount_shift_s: float = setting(
        2.0, 'time of the shift of the mount', unit='s', low=0.0, high=3600.0
    )
    sensors: bool = setting(
        False, 'write and publish an IMU, odometry and moving TF beside the images'
    )
    imu_rate_hz: float = setting(
        100.0, 'samples of the IMU per second', unit='Hz', low=1.0, high=2000.0
    )


PRESETS: Mapping[str, Mapping[str, Value]] = MappingProxyType(
    {
        'default': {},
        'overcast': {'shadow': 0.0, 'haze_m': 300.0, 'exposure': 0.9},
        'low_sun': {'shadow': 1.0, 'sun_elevation_deg': 12.0, 'exposure': 1.15},
        'fog': {'shadow': 0.0, 'haze_m': 25.0},
        'rain': {'shadow': 0.0, 'rain': 0.8, 'haze_m': 300.0},
        'dusk': {'shadow': 0.0, 'dusk': 0.8, 'noise': 3.0},
        'rush_hour': {'traffic': 2.0, 'people': 2.0, 'parked': 0.8},
        'empty': {'traffic': 0.0, 'people': 0.0, 'parked': 0.0},
        'nod': {'nod_deg': 2.0, 'sensors': True},
        'bumps': {'bump_m': 0.1, 'sensors': True},
        'sway': {'sway_deg': 1.5, 'sensors': True},
        'mount_shift': {'mount_shift_deg': 0.5, 'sensors': True},
    }
)
"""Presets of weather, light, traffic and motion by name: the defaults that each changes."""


def preset(name: str) -> SceneOptions:
    """Return the options of a preset; raises UnknownNameError with the nearest names."""
    if name not in PRESETS:
        raise UnknownNameError('preset', name, PRESETS)
    return replace(SceneOptions(), PRESETS[name])


PRESET = 'preset='


def options_of(
    texts: Iterable[str], base: SceneOptions | None = None, flag: str = '--set'
) -> SceneOptions:
    """Return the options given as texts such as rain=0.5; raises ConfigError.

    preset=NAME among them replaces base, to which the others are applied.
    """
    texts = list(texts)
    presets = [text for text in texts if text.startswith(PRESET)]
    base = preset(presets[-1].removeprefix(PRESET)) if presets else base or SceneOptions()
    others = (text for text in texts if not text.startswith(PRESET))
    return replace(base, parse_settings(others, SceneOptions, flag))


def camera_of(texts: Iterable[str], base: SceneCamera | None = None) -> SceneCamera:
    """Return the camera given as texts such as pitch=0.05.

    Coefficients are written as 0.1,-0.2,0,0. If width or height is given, the principal
    point follows it; if fx is given, fy follows it.
    Raises ConfigError for what cannot be parsed, UnknownNameError for an unknown name, and
    CalibrationError for values that describe no camera.
    """
    base = base or SceneCamera()
    known = {field.name: field for field in dataclasses.fields(SceneCamera)}
    values: dict[str, Any] = {}
    for assignment in texts:
        name, sign, text = assignment.partition('=')
        if not sign:
            raise ConfigError(f'--camera {assignment}: write NAME=VALUE')
        if name not in known:
            raise UnknownNameError('camera value', name, known)
        values[name] = _value(name, getattr(base, name), text.strip())
    defaults = {name: known[name].default for name in ('fy', 'cx', 'cy')}
    follow = {'fx': ('fy',), 'width': ('cx',), 'height': ('cy',)}
    for name in set(values) & set(follow):
        for other in follow[name]:
            values.setdefault(other, defaults[other])
    return dataclasses.replace(base, **values)


def resized(height: int, width: int) -> SceneCamera:
    """Return the camera of the demo at another size, with the same horizontal field of view."""
    base = SceneCamera()
    return SceneCamera(width, height, fx=base.fx * width / base.width)


def _value(name: str, like: Any, text: str) -> Any:
    try:
        if isinstance(like, tuple):
            return tuple(float(part) for part in text.strip('[]()').split(',') if part.strip())
        return type(like)(text)
    except ValueError:
        raise ConfigError(f'camera {name} = {text!r}: must be {type(like).__name__}') from None
