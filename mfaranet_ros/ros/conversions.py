# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Makes rclpy messages of plain field values (pipeline/messages.py)."""

from __future__ import annotations

import array
import functools
import importlib
from typing import Any

import numpy as np

from mfaranet_ros.pipeline.messages import build

POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'

TYPE_CODES = {'uint8': 'B', 'int8': 'b', 'float32': 'f', 'float64': 'd'}


def to_message(value: Any) -> Any:
    """Return the rclpy message of a value of messages.py."""
    return build(value, _make)


@functools.cache
def message_class(type_name: str) -> Any:
    """Return the class of a name such as `sensor_msgs/msg/Image`; ImportError if there is none."""
    package, kind, name = type_name.split('/')
    return getattr(importlib.import_module(f'{package}.{kind}'), name)


def _make(type_name: str, fields: dict[str, Any]) -> Any:
    make = _make_cloud if type_name == POINT_CLOUD else message_class(type_name)
    return make(**{name: _plain(value) for name, value in fields.items()})


def _make_cloud(**fields: Any) -> Any:
    """Build a PointCloud2 by sensor_msgs_py where it is installed; both ways give the same."""
    try:
        from sensor_msgs_py import point_cloud2
    except ImportError:
        return message_class(POINT_CLOUD)(**fields)
    dtype = point_cloud2.dtype_from_fields(fields['fields'], fields['point_step'])
    points = np.frombuffer(fields['data'], dtype)
    return point_cloud2.create_cloud(fields['header'], fields['fields'], points)


def _plain(value: Any) -> Any:
    """Return an array.array for an array: rclpy takes it without checking every element."""
    if not isinstance(value, np.ndarray):
        return value
    result = array.array(TYPE_CODES[value.dtype.name])
    result.frombytes(np.ascontiguousarray(value).data.cast('B'))
    return result
