# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recordings of live runs for the tests: what a node would have published."""

from __future__ import annotations

from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from mfaranet_ros.data.bags.writer import BagWriter

STORE = get_typestore(Stores.ROS2_JAZZY)
SIZE = (6, 8)
S = 10**9
TOPICS = {
    'truth': '/truth',
    'mask': '/segmentation/mask',
    'overlay': '/segmentation/overlay',
    'grid': '/segmentation/drivable/grid',
    'boundary': '/segmentation/drivable/boundary',
    'status': '/diagnostics',
}


def make(type_name: str, *args: Any) -> Any:
    package, name = type_name.split('/')
    return STORE.types[f'{package}/msg/{name}'](*args)


def header(stamp_ns: int) -> Any:
    time = make('builtin_interfaces/Time', *divmod(stamp_ns, S))
    return make('std_msgs/Header', time, 'camera')


def image(kind: str, second: float, level: Any = 3, age_ms: int = 20) -> tuple[str, Any, int]:
    """Return an image, uint8, of a level or of given pixels, published age_ms after its stamp."""
    shape = (*SIZE, 3) if kind == 'overlay' else SIZE
    pixels = level if isinstance(level, np.ndarray) else np.full(shape, level, np.uint8)
    stamp_ns, channels = round(second * S), 3 if kind == 'overlay' else 1
    message = make(
        'sensor_msgs/Image', header(stamp_ns), pixels.shape[0], pixels.shape[1],
        'rgb8' if channels == 3 else 'mono8', 0, pixels.shape[1] * channels, pixels.reshape(-1),
    )  # fmt: skip
    return kind, message, stamp_ns + age_ms * 10**6


def grid(second: float, cells: Any = None, corner=(0.0, -2.0), resolution=0.5):
    cells = np.zeros((8, 10), np.int8) if cells is None else cells
    stamp_ns = round(second * S)
    point = make('geometry_msgs/Point', float(corner[0]), float(corner[1]), 0.0)
    pose = make('geometry_msgs/Pose', point, make('geometry_msgs/Quaternion', 0.0, 0.0, 0.0, 1.0))
    info = make(
        'nav_msgs/MapMetaData', header(stamp_ns).stamp, resolution, cells.shape[1],
        cells.shape[0], pose,
    )  # fmt: skip
    message = make('nav_msgs/OccupancyGrid', header(stamp_ns), info, cells.reshape(-1))
    return 'grid', message, stamp_ns + 30 * 10**6


def boundary(second: float, vertices_m: Any):
    points = [make('geometry_msgs/Point32', float(x), float(y), 0.0) for x, y in vertices_m]
    polygon = make('geometry_msgs/Polygon', points)
    stamp_ns = round(second * S)
    message = make('geometry_msgs/PolygonStamped', header(stamp_ns), polygon)
    return 'boundary', message, stamp_ns + 30 * 10**6


def status(name: str, second: float = 1.0, /, **values: Any):
    pairs = [make('diagnostic_msgs/KeyValue', key, str(value)) for key, value in values.items()]
    found = make('diagnostic_msgs/DiagnosticStatus', 0, name, 'ok', '', pairs)
    stamp_ns = round(second * S)
    return 'status', make('diagnostic_msgs/DiagnosticArray', header(stamp_ns), [found]), stamp_ns


def write_run(path: Any, entries: Any) -> Any:
    """Write the entries in the order of their times, and return the path."""
    with BagWriter(path) as writer:
        for kind, message, time_ns in sorted(entries, key=lambda entry: entry[2]):
            writer.write(TOPICS[kind], message, time_ns)
    return path
