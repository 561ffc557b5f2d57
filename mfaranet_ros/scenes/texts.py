# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Drives from texts NAME=VALUE, as command lines and parameters give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.settings import parse_settings, replace
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.options import DriveOptions, preset

PRESET = 'preset='


def options_of(
    texts: Iterable[str], base: DriveOptions | None = None, flag: str = '--set'
) -> DriveOptions:
    """Return the options that texts such as rain=0.5 ask for; raises ConfigError.

    preset=NAME among them is where the others begin, instead of base.
    """
    texts = list(texts)
    presets = [text for text in texts if text.startswith(PRESET)]
    base = preset(presets[-1].removeprefix(PRESET)) if presets else base or DriveOptions()
    others = (text for text in texts if not text.startswith(PRESET))
    return replace(base, parse_settings(others, DriveOptions, flag))


def camera_of(texts: Iterable[str], base: SceneCamera | None = None) -> SceneCamera:
    """Return the camera that texts such as pitch=0.05 ask for.

    Coefficients are written as 0.1,-0.2,0,0. A size or focal length that is given alone leaves
    the others as they are, but for fy and the principal point, which go with it.
    Raises ConfigError for what is not understood, CalibrationError for a camera that cannot be.
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
    """Return the camera of the demo with another size, as wide as it."""
    base = SceneCamera()
    return SceneCamera(width, height, fx=base.fx * width / base.width)


def _value(name: str, like: Any, text: str) -> Any:
    try:
        if isinstance(like, tuple):
            return tuple(float(part) for part in text.strip('[]()').split(',') if part.strip())
        return type(like)(text)
    except ValueError:
        raise ConfigError(f'camera {name} = {text!r}: must be {type(like).__name__}') from None
