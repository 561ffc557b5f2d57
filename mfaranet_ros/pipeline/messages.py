# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The standard messages we publish, as plain values, and how real messages are built from them.

A value knows its message's type name and has the message's field names, nothing more; so the same
value becomes a message of rclpy or of rosbags by `build`. Arrays are numpy: 1-D and C-contiguous,
uint8 for uint8[], int8 for int8[], float64 for float64[].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def build(value: Any, make: Callable[[str, dict[str, Any]], Any]) -> Any:
    """Build a message from a value of this module, its inner messages first.

    make(type_name, fields) returns one message, such as of `sensor_msgs/msg/Image`, from its
    fields: numbers, strings, numpy arrays as described above, messages that `make` returned, and
    lists of these.
    """
    fields = {
        field.name: _build_field(getattr(value, field.name), make)
        for field in dataclasses.fields(value)
    }
    return make(value.TYPE, fields)


def _build_field(value: Any, make: Callable[[str, dict[str, Any]], Any]) -> Any:
    if isinstance(value, tuple):
        return [_build_field(item, make) for item in value]
    return build(value, make) if dataclasses.is_dataclass(value) else value


@dataclass(frozen=True)
class Time:
    """builtin_interfaces/Time."""

    TYPE: ClassVar[str] = 'builtin_interfaces/msg/Time'
    sec: int
    nanosec: int


@dataclass(frozen=True)
class Header:
    """std_msgs/Header."""

    TYPE: ClassVar[str] = 'std_msgs/msg/Header'
    stamp: Time
    frame_id: str


@dataclass(frozen=True)
class Float64:
    """std_msgs/Float64."""

    TYPE: ClassVar[str] = 'std_msgs/msg/Float64'
    data: float


@dataclass(frozen=True)
class Float64Stamped:
    """autoware_internal_debug_msgs/Float64Stamped."""

    TYPE: ClassVar[str] = 'autoware_internal_debug_msgs/msg/Float64Stamped'
    stamp: Time
    data: float


@dataclass(frozen=True, eq=False)
class Image:
    """sensor_msgs/Image."""

    TYPE: ClassVar[str] = 'sensor_msgs/msg/Image'
    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Bytes


@dataclass(frozen=True, eq=False)
class CompressedImage:
    """sensor_msgs/CompressedImage."""

    TYPE: ClassVar[str] = 'sensor_msgs/msg/CompressedImage'
    header: Header
    format: str
    data: Bytes


@dataclass(frozen=True)
class RegionOfInterest:
    """sensor_msgs/RegionOfInterest."""

    TYPE: ClassVar[str] = 'sensor_msgs/msg/RegionOfInterest'
    x_offset: int = 0
    y_offset: int = 0
    height: int = 0
    width: int = 0
    do_rectify: bool = False


@dataclass(frozen=True, eq=False)
class CameraInfo:
    """d has any length; k and r are 3x3, p is 3x4, all row by row."""

    TYPE: ClassVar[str] = 'sensor_msgs/msg/CameraInfo'
    header: Header
    height: int
    width: int
    distortion_model: str
    d: Floats
    k: Floats
    r: Floats
    p: Floats
    binning_x: int = 0
    binning_y: int = 0
    roi: RegionOfInterest = RegionOfInterest()


@dataclass(frozen=True)
class Point:
    """geometry_msgs/Point."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/Point'
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


@dataclass(frozen=True)
class Quaternion:
    """geometry_msgs/Quaternion."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/Quaternion'
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    w: float = 1.0


@dataclass(frozen=True)
class Pose:
    """geometry_msgs/Pose."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/Pose'
    position: Point = Point()
    orientation: Quaternion = Quaternion()


@dataclass(frozen=True)
class Vector3:
    """geometry_msgs/Vector3."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/Vector3'
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


@dataclass(frozen=True)
class Transform:
    """geometry_msgs/Transform."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/Transform'
    translation: Vector3
    rotation: Quaternion


@dataclass(frozen=True)
class TransformStamped:
    """The frame of the header <- child_frame_id."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/TransformStamped'
    header: Header
    child_frame_id: str
    transform: Transform


@dataclass(frozen=True, eq=False)
class Imu:
    """sensor_msgs/Imu; covariances are 3x3, row by row, -1 first where the value is not known."""

    TYPE: ClassVar[str] = 'sensor_msgs/msg/Imu'
    header: Header
    orientation: Quaternion
    orientation_covariance: Floats
    angular_velocity: Vector3
    angular_velocity_covariance: Floats
    linear_acceleration: Vector3
    linear_acceleration_covariance: Floats


@dataclass(frozen=True, eq=False)
class PoseWithCovariance:
    """geometry_msgs/PoseWithCovariance; the covariance is 6x6, row by row."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/PoseWithCovariance'
    pose: Pose
    covariance: Floats


@dataclass(frozen=True)
class Twist:
    """geometry_msgs/Twist."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/Twist'
    linear: Vector3
    angular: Vector3


@dataclass(frozen=True, eq=False)
class TwistWithCovariance:
    """geometry_msgs/TwistWithCovariance; the covariance is 6x6, row by row."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/TwistWithCovariance'
    twist: Twist
    covariance: Floats


@dataclass(frozen=True, eq=False)
class Odometry:
    """nav_msgs/Odometry."""

    TYPE: ClassVar[str] = 'nav_msgs/msg/Odometry'
    header: Header
    child_frame_id: str
    pose: PoseWithCovariance
    twist: TwistWithCovariance


@dataclass(frozen=True)
class TFMessage:
    """tf2_msgs/TFMessage."""

    TYPE: ClassVar[str] = 'tf2_msgs/msg/TFMessage'
    transforms: tuple[TransformStamped, ...]


@dataclass(frozen=True)
class MapMetaData:
    """nav_msgs/MapMetaData."""

    TYPE: ClassVar[str] = 'nav_msgs/msg/MapMetaData'
    map_load_time: Time
    resolution: float
    width: int
    height: int
    origin: Pose


@dataclass(frozen=True, eq=False)
class OccupancyGrid:
    """nav_msgs/OccupancyGrid."""

    TYPE: ClassVar[str] = 'nav_msgs/msg/OccupancyGrid'
    header: Header
    info: MapMetaData
    data: NDArray[np.int8]


@dataclass(frozen=True)
class Point32:
    """geometry_msgs/Point32."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/Point32'
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


@dataclass(frozen=True)
class Polygon:
    """geometry_msgs/Polygon."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/Polygon'
    points: tuple[Point32, ...]


@dataclass(frozen=True)
class PolygonStamped:
    """geometry_msgs/PolygonStamped."""

    TYPE: ClassVar[str] = 'geometry_msgs/msg/PolygonStamped'
    header: Header
    polygon: Polygon


@dataclass(frozen=True)
class PointField:
    """datatype is one of the message's constants, of which two are used."""

    TYPE: ClassVar[str] = 'sensor_msgs/msg/PointField'
    UINT8: ClassVar[int] = 2
    FLOAT32: ClassVar[int] = 7
    name: str
    offset: int
    datatype: int
    count: int = 1


@dataclass(frozen=True, eq=False)
class PointCloud2:
    """sensor_msgs/PointCloud2."""

    TYPE: ClassVar[str] = 'sensor_msgs/msg/PointCloud2'
    header: Header
    height: int
    width: int
    fields: tuple[PointField, ...]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: Bytes
    is_dense: bool


@dataclass(frozen=True)
class VisionClass:
    """vision_msgs/VisionClass."""

    TYPE: ClassVar[str] = 'vision_msgs/msg/VisionClass'
    class_id: int
    class_name: str


@dataclass(frozen=True)
class LabelInfo:
    """vision_msgs/LabelInfo."""

    TYPE: ClassVar[str] = 'vision_msgs/msg/LabelInfo'
    header: Header
    class_map: tuple[VisionClass, ...]
    threshold: float = 0.0
