# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Turns results into the plain field values of standard messages.

A function of `(result, style)` makes the message of one output topic (topics.py). It returns None
where the result does not hold what the topic shows: nobody asked for it, or the camera is not
calibrated. Headers carry the stamp of the frame, never the present time. Pixels and cells are
flat views of the result where it is contiguous, else copies.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import OutputError, UnknownNameError
from mfaranet_ros.core.frame import UNLABELED, Frame, GroundGrid, MessageLike, Points, Result
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.pipeline.messages import (
    CameraInfo,
    CompressedImage,
    Float64,
    Float64Stamped,
    Header,
    Image,
    LabelInfo,
    MapMetaData,
    OccupancyGrid,
    Point,
    Point32,
    PointCloud2,
    PointField,
    Polygon,
    PolygonStamped,
    Pose,
    Time,
    VisionClass,
)
from mfaranet_ros.pipeline.style import Style

Pixels = NDArray[np.uint8]

# Headers


def header(stamp_ns: int, frame_id: str) -> Header:
    """Return a header from a time in nanoseconds."""
    return Header(_time(stamp_ns), frame_id)


def _time(stamp_ns: int) -> Time:
    return Time(*divmod(stamp_ns, 1_000_000_000))


def _camera_header(result: Result) -> Header:
    return header(result.stamp_ns, result.frame_id)


def _base_header(result: Result, style: Style) -> Header:
    return header(result.stamp_ns, style.base_frame)


# Images


def mono8(image_header: Header, pixels: Pixels) -> Image:
    """Return an image of one channel, uint8 (H, W), with step == width."""
    return _image(image_header, 'mono8', pixels)


def image(frame: Frame) -> Image:
    """Return a frame as the raw image it came from."""
    return _image(header(frame.stamp_ns, frame.frame_id), frame.encoding, frame.pixels)


def _image(image_header: Header, encoding: str, pixels: Pixels) -> Image:
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).reshape(-1)
    return Image(image_header, height, width, encoding, 0, data.size // max(1, height), data)


_TO_BGR = {
    'rgb8': cv2.COLOR_RGB2BGR,
    'bgr8': None,
    'rgba8': cv2.COLOR_RGBA2BGR,
    'bgra8': cv2.COLOR_BGRA2BGR,
    'mono8': None,
}
_TO_RGB = {
    'rgb8': None,
    'bgr8': cv2.COLOR_BGR2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
}


def _convert(pixels: Pixels, code: int | None) -> Pixels:
    return pixels if code is None else np.asarray(cv2.cvtColor(pixels, code))


_COMPRESSIONS = {'jpeg': ('.jpg', cv2.IMWRITE_JPEG_QUALITY), 'png': ('.png', None)}


def compressed_image(frame: Frame, codec: str = 'jpeg', quality: int = 95) -> CompressedImage:
    """Return a frame compressed as image_transport does it; codec is jpeg or png.

    quality: of a jpeg, 1 to 100. Alpha is left out. Raises UnknownNameError for another codec and
    OutputError for an image the codec cannot hold.
    """
    if codec not in _COMPRESSIONS:
        raise UnknownNameError('image codec', codec, _COMPRESSIONS)
    suffix, quality_flag = _COMPRESSIONS[codec]
    flags = [] if quality_flag is None else [quality_flag, quality]
    target = 'mono8' if frame.encoding == 'mono8' else 'bgr8'
    try:
        pixels = _convert(frame.pixels, _TO_BGR[frame.encoding])
        done, data = cv2.imencode(suffix, pixels, flags)
    except cv2.error:
        done = False
    if not done:
        raise OutputError(f'an image of {frame.size[::-1]} px cannot be written as {codec}')
    text = f'{frame.encoding}; {codec} compressed {target}'
    return CompressedImage(header(frame.stamp_ns, frame.frame_id), text, data.reshape(-1))


def mask(result: Result, style: Style) -> Image:
    """Return the class ids, or the values of `output.class_remap`, as mono8."""
    return mono8(_camera_header(result), style.published(result.labels))


def confidence(result: Result, style: Style) -> Image | None:
    """Return the probability of the chosen class times 255 as mono8."""
    if result.confidence is None:
        return None
    return mono8(_camera_header(result), result.confidence)


def drivable_mask(result: Result, style: Style) -> Image | None:
    """Return the drivable mask as mono8: 255 drivable, 0 not, 127 unsure."""
    if result.drivable.mask is None:
        return None
    return mono8(_camera_header(result), result.drivable.mask)


def color_mask(result: Result, style: Style) -> Image:
    """Return each pixel in the colour of its class or role as rgb8."""
    return _image(_camera_header(result), 'rgb8', _colorize(result.labels, style))


def overlay(result: Result, style: Style) -> Image:
    """Return the colour mask over the camera image as rgb8, at the mask's size."""
    colors = _colorize(result.labels, style)
    image = _pixel_image(result.frame, result.labels.shape)
    alpha = style.overlay_alpha
    blend = cv2.addWeighted(image, 1.0 - alpha, colors, alpha, 0.0, dst=colors)
    return _image(_camera_header(result), 'rgb8', np.asarray(blend))


def _colorize(labels: Pixels, style: Style) -> Pixels:
    # Far quicker than indexing, and wants the table as an image of one column.
    return np.asarray(cv2.applyColorMap(labels, style.colors.reshape(256, 1, 3)))


def _pixel_image(frame: Frame, size: tuple[int, ...]) -> Pixels:
    pixels = frame.pixels
    if frame.size != size:
        shrinks = size[0] * size[1] < frame.size[0] * frame.size[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, size[::-1], interpolation=how))
    return _convert(pixels, _TO_RGB[frame.encoding])


# Calibration and labels


def camera_info(message: MessageLike, result: Result) -> CameraInfo:
    """Return the camera's calibration, scaled to the mask and with the mask's header.

    Pixel centres have whole coordinates, so u becomes (u - x_offset + 0.5) * scale - 0.5. A region
    of interest and binning are worked into K and P and are unset in the result: its image is the
    mask. Distortion and rectification do not depend on the size. A calibration that is all zero
    stays so.
    """
    height, width = result.labels.shape
    roi = message.roi
    full_height, full_width = message.height or height, message.width or width
    scale_x = width / (roi.width or full_width)
    scale_y = height / (roi.height or full_height)
    to_mask = np.array(
        [
            [scale_x, 0.0, (0.5 - roi.x_offset) * scale_x - 0.5],
            [0.0, scale_y, (0.5 - roi.y_offset) * scale_y - 0.5],
            [0.0, 0.0, 1.0],
        ]
    )
    return CameraInfo(
        header=_camera_header(result),
        height=height,
        width=width,
        distortion_model=str(message.distortion_model),
        d=_floats(message.d),
        k=(to_mask @ _floats(message.k).reshape(3, 3)).reshape(-1),
        r=_floats(message.r),
        p=(to_mask @ _floats(message.p).reshape(3, 4)).reshape(-1),
    )


def _floats(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def label_info(label_set: LabelSet, remap: Pixels | None, info_header: Header) -> LabelInfo:
    """Return the class names of the mask's values; 255 is unlabeled, so it is not listed."""
    values = range(len(label_set)) if remap is None else remap[: len(label_set)].tolist()
    classes = zip(values, label_set.names, strict=True)
    listed = (VisionClass(value, name) for value, name in classes if value != UNLABELED)
    return LabelInfo(info_header, tuple(listed))


def debug_value(value: float, stamp_ns: int | None = None) -> Float64 | Float64Stamped:
    """Return one number; with a stamp as Autoware's message."""
    if stamp_ns is None:
        return Float64(value)
    return Float64Stamped(_time(stamp_ns), value)


# Metric outputs


def grid(result: Result, style: Style) -> OccupancyGrid | None:
    """Return the grid around the vehicle: 0 free, 100 blocked, -1 unseen."""
    if result.drivable.grid is None:
        return None
    return occupancy_grid(result.drivable.grid, _base_header(result, style))


def occupancy_grid(cells: GroundGrid, grid_header: Header) -> OccupancyGrid:
    """Return a grid of the ground; its map was made when its header says."""
    rows, columns = cells.cells.shape
    origin = Pose(Point(cells.x_min_m, cells.y_min_m, 0.0))
    info = MapMetaData(grid_header.stamp, cells.resolution_m, columns, rows, origin)
    return OccupancyGrid(grid_header, info, np.ascontiguousarray(cells.cells).reshape(-1))


def boundary(result: Result, style: Style) -> PolygonStamped | None:
    """Return the outline of the free space, on the ground.

    A vertex per bearing, then the two corners at which the visible ground begins.
    """
    rim_m, near_edge_m = result.drivable.boundary_m, result.drivable.near_edge_m
    if rim_m is None:
        return None
    outline_m = rim_m if near_edge_m is None else np.concatenate((rim_m, near_edge_m))
    vertices = tuple(Point32(x, y, 0.0) for x, y in outline_m.tolist())
    return PolygonStamped(_base_header(result, style), Polygon(vertices))


POINT_FIELDS = (
    PointField('x', 0, PointField.FLOAT32),
    PointField('y', 4, PointField.FLOAT32),
    PointField('z', 8, PointField.FLOAT32),
    PointField('label', 12, PointField.UINT8),
    PointField('confidence', 13, PointField.UINT8),
    PointField('rgb', 16, PointField.FLOAT32),
)
"""The fields of the point cloud; the colour comes last, where it is aligned."""

_NUMPY_TYPES = {PointField.FLOAT32: np.float32, PointField.UINT8: np.uint8}
_POINT = np.dtype(
    {
        'names': [field.name for field in POINT_FIELDS],
        'formats': [_NUMPY_TYPES[field.datatype] for field in POINT_FIELDS],
        'offsets': [field.offset for field in POINT_FIELDS],
    }
)


def points_array(result: Result, style: Style) -> NDArray[np.void] | None:
    """Return the points as a structured array (N,) with POINT_FIELDS.

    It is what sensor_msgs_py's `create_cloud(header, fields, array)` takes. rgb is a float32 with
    the bits 0x00RRGGBB, as RViz and PCL read it; labels are the mask's values.
    """
    found = result.drivable.points
    return None if found is None else _points_array(found, style)


def _points_array(found: Points, style: Style) -> NDArray[np.void]:
    array = np.zeros(len(found.labels), _POINT)
    for axis, name in enumerate('xyz'):
        array[name] = found.xyz_m[:, axis]
    array['label'] = found.labels if style.remap is None else style.remap[found.labels]
    array['confidence'] = found.confidence
    red, green, blue = style.colors.astype(np.uint32).T
    array['rgb'] = (red << 16 | green << 8 | blue).view(np.float32)[found.labels]
    return array


CLOUD_FIELDS = POINT_FIELDS[:3]
"""The fields of the ground cloud: x, y and z."""


def ground_cloud(result: Result, style: Style) -> PointCloud2 | None:
    """Return the ground under each pixel of the mask, as an organised cloud of its size."""
    cloud_m = result.drivable.cloud_m
    if cloud_m is None:
        return None
    height, width, axes = cloud_m.shape
    step = axes * cloud_m.itemsize
    return PointCloud2(
        header=_base_header(result, style),
        height=height,
        width=width,
        fields=CLOUD_FIELDS,
        is_bigendian=not np.little_endian,
        point_step=step,
        row_step=step * width,
        data=np.ascontiguousarray(cloud_m).view(np.uint8).reshape(-1),
        is_dense=False,
    )


def points(result: Result, style: Style) -> PointCloud2 | None:
    """Return obstacle feet and the rim of the free space as a point cloud."""
    array = points_array(result, style)
    return None if array is None else _cloud(array, _base_header(result, style))


def obstacles(result: Result, style: Style) -> PointCloud2 | None:
    """Return the feet of obstacles alone as a point cloud."""
    found, array = result.drivable.points, points_array(result, style)
    if found is None or array is None:
        return None
    return _cloud(array[: found.feet], _base_header(result, style))


def free_rim(result: Result, style: Style) -> PointCloud2 | None:
    """Return the end of the free space on every bearing as a point cloud."""
    found = result.drivable.free_rim
    if found is None:
        return None
    return _cloud(_points_array(found, style), _base_header(result, style))


def _cloud(array: NDArray[np.void], cloud_header: Header) -> PointCloud2:
    return PointCloud2(
        header=cloud_header,
        height=1,
        width=array.size,
        fields=POINT_FIELDS,
        is_bigendian=not np.little_endian,
        point_step=array.itemsize,
        row_step=array.nbytes,
        data=array.view(np.uint8).reshape(-1),
        is_dense=False,  # as sensor_msgs_py writes it
    )
