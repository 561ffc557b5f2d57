"""Plain field values (pipeline/encode.py) as rclpy messages."""

from __future__ import annotations

import array
import functools
import importlib
from typing import Any

import numpy as np

from mfaranet_ros.pipeline.encode import build

TYPE_CODES = {'uint8': 'B', 'int8': 'b', 'float32': 'f', 'float64': 'd'}


def to_message(value: Any) -> Any:
    """Return the rclpy message of a dataclass of encode.py."""
    return build(value, _make)


@functools.cache
def message_class(type_name: str) -> Any:
    """Return the class of a name such as `sensor_msgs/msg/Image`; ImportError if there is none."""
    package, kind, name = type_name.split('/')
    return getattr(importlib.import_module(f'{package}.{kind}'), name)


def _make(type_name: str, fields: dict[str, Any]) -> Any:
    return message_class(type_name)(**{name: _plain(value) for name, value in fields.items()})


def _plain(value: Any) -> Any:
    """Return what rclpy takes without looking at every element: an array.array for an array."""
    if not isinstance(value, np.ndarray):
        return value
    result = array.array(TYPE_CODES[value.dtype.name])
    result.frombytes(memoryview(np.ascontiguousarray(value)).cast('B'))
    return result
