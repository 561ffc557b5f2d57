# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Results as messages: their fields, their bytes in both kinds of message, and what they mean."""

from __future__ import annotations

import dataclasses
import logging
import struct

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, OutputError, UnknownNameError
from mfaranet_ros.core.frame import (
    CHANNELS,
    UNLABELED,
    Drivable,
    Frame,
    GroundGrid,
    Points,
    Result,
    Timings,
)
from mfaranet_ros.core.labels import LabelClass, LabelSet, Role
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.pipeline.messages import (
    CameraInfo,
    Header,
    PointField,
    RegionOfInterest,
    Time,
    build,
)
from mfaranet_ros.pipeline.style import Style, parse_remap

STAMP_NS = 1_700_000_000_123_456_789
CAMERA_HEADER = Header(Time(1_700_000_000, 123_456_789), 'camera_front_optical')
BASE_HEADER = Header(Time(1_700_000_000, 123_456_789), 'base_footprint')
HEIGHT, WIDTH = 5, 7

TOY = LabelSet(
    'toy',
    (
        LabelClass(0, 'Road', (128, 64, 128), Role.DRIVABLE),
        LabelClass(1, 'Car', (0, 0, 142), Role.OBSTACLE),
        LabelClass(2, 'traffic light', (250, 170, 30), Role.OBSTACLE),
    ),
)
REMAP = parse_remap('Road=7, Car=26', TOY)
STYLE = Style(TOY, base_frame='base_footprint')
REMAPPED = dataclasses.replace(STYLE, remap=REMAP)


def make_frame(encoding='rgb8', size=(HEIGHT, WIDTH), padding=0):
    shape = (size[0], size[1] + padding, CHANNELS[encoding])
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    return Frame(pixels[:, : size[1]], encoding, STAMP_NS, 'camera_front_optical')


def make_result(frame=None, size=(HEIGHT, WIDTH)):
    rng = np.random.default_rng(2)
    labels = rng.choice(np.array([0, 1, 2, UNLABELED], np.uint8), size)
    confidence = rng.integers(0, 256, size, dtype=np.uint8)
    cells = rng.choice(np.array([0, 100, -1], np.int8), (4, 6))
    found = Points(
        rng.normal(size=(9, 3)).astype(np.float32),
        rng.choice(np.array([0, 1, 2, UNLABELED], np.uint8), 9),
        rng.integers(0, 256, 9, dtype=np.uint8),
    )
    drivable = Drivable(
        mask=rng.choice(np.array([0, 127, 255], np.uint8), size),
        grid=GroundGrid(cells, 0.25, 1.0, -2.5),
        boundary_m=rng.normal(size=(5, 2)).astype(np.float32),
        near_edge_m=rng.normal(size=(2, 2)).astype(np.float32),
        points=found,
    )
    return Result(frame or make_frame(), labels, confidence, drivable, Timings())


RESULT = make_result()
NOTHING = dataclasses.replace(RESULT, confidence=None, drivable=Drivable())
CALIBRATION = CameraInfo(
    Header(Time(1, 2), 'another_frame'),
    2 * HEIGHT,
    2 * WIDTH,
    'plumb_bob',
    d=np.array([0.1, -0.2, 0.001, 0.002, 0.03]),
    k=np.array([500.0, 0, 6.7, 0, 510, 4.4, 0, 0, 1]),
    r=np.eye(3).reshape(-1),
    p=np.array([480.0, 0, 6.5, -48, 0, 490, 4.2, 0, 0, 0, 1, 0]),
)

VALUES = {
    'mask': lambda: encode.mask(RESULT, STYLE),
    'remapped_mask': lambda: encode.mask(RESULT, REMAPPED),
    'confidence': lambda: encode.confidence(RESULT, STYLE),
    'overlay': lambda: encode.overlay(RESULT, STYLE),
    'color_mask': lambda: encode.color_mask(RESULT, STYLE),
    'drivable_mask': lambda: encode.drivable_mask(RESULT, STYLE),
    'grid': lambda: encode.grid(RESULT, STYLE),
    'boundary': lambda: encode.boundary(RESULT, STYLE),
    'points': lambda: encode.points(RESULT, STYLE),
    'camera_info': lambda: encode.camera_info(CALIBRATION, RESULT),
    'label_info': lambda: encode.label_info(TOY, REMAP, CAMERA_HEADER),
    'number': lambda: encode.debug_value(12.5),
    'stamped_number': lambda: encode.debug_value(12.5, STAMP_NS),
    'image': lambda: encode.image(RESULT.frame),
    'jpeg': lambda: encode.compressed_image(RESULT.frame),
    'png': lambda: encode.compressed_image(RESULT.frame, 'png'),
}


def plain(value):
    """Return a value or a message as dictionaries, lists, strings and numbers."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in field_names(value)}
    return value


def field_names(value):
    """The fields of a value or of a rosbags type, which lists its constants among them."""
    names = {field.name for field in dataclasses.fields(value)}
    return {name for name in names if name.islower() and not name.startswith('__')}


def in_float32(value):
    """Return plain values as they are after a way through float32 fields."""
    if isinstance(value, dict):
        return {name: in_float32(item) for name, item in value.items()}
    if isinstance(value, list):
        return [in_float32(item) for item in value]
    return float(np.float32(value)) if isinstance(value, float) else value


# The messages themselves


@pytest.mark.parametrize('name', VALUES)
def test_values_have_the_fields_of_their_message(name, rosbags_messages):
    def check(type_name, fields):
        names = field_names(rosbags_messages.store.types[type_name])
        assert set(fields) == names, type_name
        return type_name

    assert build(VALUES[name](), check) == VALUES[name]().TYPE


@pytest.mark.parametrize('name', VALUES)
def test_values_come_through_a_bag(name, rosbags_messages):
    value = VALUES[name]()
    message = build(value, rosbags_messages.make)
    data = rosbags_messages.write(message, value.TYPE)
    read = rosbags_messages.read(data, value.TYPE)
    assert in_float32(plain(read)) == in_float32(plain(value))


@pytest.mark.ros
@pytest.mark.parametrize('name', VALUES)
def test_both_kinds_of_message_have_the_same_bytes(name, rosbags_messages, rclpy_messages):
    value = VALUES[name]()
    one = rclpy_messages.write(build(value, rclpy_messages.make), value.TYPE)
    other = rosbags_messages.write(build(value, rosbags_messages.make), value.TYPE)
    assert len(one) == len(other)
    # ROS leaves the gaps between the fields as they are in memory, rosbags writes zeros there.
    without_gaps = rosbags_messages.write(rosbags_messages.read(one, value.TYPE), value.TYPE)
    assert without_gaps.hex() == other.hex()


@pytest.mark.parametrize('name', VALUES)
def test_arrays_are_flat_and_in_one_piece(name):
    """So that an array.array can be filled from them as they are."""
    value = VALUES[name]()
    arrays = [getattr(value, field.name) for field in dataclasses.fields(value)]
    for array in (item for item in arrays if isinstance(item, np.ndarray)):
        assert array.ndim == 1
        assert array.flags.c_contiguous
        assert array.dtype.name in ('uint8', 'int8', 'float64')


HEADERS = {
    'mask': CAMERA_HEADER,
    'confidence': CAMERA_HEADER,
    'overlay': CAMERA_HEADER,
    'color_mask': CAMERA_HEADER,
    'drivable_mask': CAMERA_HEADER,
    'camera_info': CAMERA_HEADER,
    'image': CAMERA_HEADER,
    'jpeg': CAMERA_HEADER,
    'grid': BASE_HEADER,
    'boundary': BASE_HEADER,
    'points': BASE_HEADER,
}


@pytest.mark.parametrize(('name', 'header'), HEADERS.items())
def test_header_is_the_frames(name, header):
    assert VALUES[name]().header == header


@pytest.mark.parametrize('stamp_ns', [0, 1, 999_999_999, 1_000_000_000, 2**31 * 10**9 - 1])
def test_header_of_any_time(stamp_ns):
    stamp = encode.header(stamp_ns, 'x').stamp
    assert stamp.sec * 10**9 + stamp.nanosec == stamp_ns
    assert 0 <= stamp.nanosec < 10**9


@pytest.mark.parametrize('name', ['confidence', 'drivable_mask', 'grid', 'boundary', 'points'])
def test_what_is_not_there_is_not_encoded(name):
    assert getattr(encode, name)(NOTHING, STYLE) is None


# Masks and images


def pixels_of(value):
    return value.data.reshape(value.height, value.width, -1)


@pytest.mark.parametrize(
    ('name', 'array'),
    [
        ('mask', RESULT.labels),
        ('confidence', RESULT.confidence),
        ('drivable_mask', RESULT.drivable.mask),
    ],
)
def test_masks_are_views_without_padding(name, array):
    value = getattr(encode, name)(RESULT, STYLE)
    assert (value.height, value.width, value.step) == (HEIGHT, WIDTH, WIDTH)
    assert (value.encoding, value.is_bigendian) == ('mono8', 0)
    assert np.shares_memory(value.data, array)
    np.testing.assert_array_equal(pixels_of(value)[..., 0], array)


def test_remapped_mask():
    pixels = pixels_of(encode.mask(RESULT, REMAPPED))[..., 0]
    for label, value in {0: 7, 1: 26, 2: 2, UNLABELED: UNLABELED}.items():
        assert set(pixels[label == RESULT.labels].tolist()) == {value}


@pytest.mark.parametrize('name', ['confidence', 'color_mask', 'overlay', 'drivable_mask'])
def test_remap_is_for_class_ids_alone(name):
    one, other = (getattr(encode, name)(RESULT, style) for style in (STYLE, REMAPPED))
    np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize(
    ('palette', 'attribute'), [('classes', 'palette'), ('roles', 'role_palette')]
)
def test_color_mask(palette, attribute):
    value = encode.color_mask(RESULT, dataclasses.replace(STYLE, palette=palette))
    assert (value.encoding, value.step) == ('rgb8', 3 * WIDTH)
    np.testing.assert_array_equal(pixels_of(value), getattr(TOY, attribute)[RESULT.labels])


def test_unknown_palette():
    with pytest.raises(UnknownNameError, match='classes'):
        Style(TOY, palette='class')


def as_rgb(frame):
    order = {'rgb8': [0, 1, 2], 'bgr8': [2, 1, 0], 'rgba8': [0, 1, 2], 'bgra8': [2, 1, 0]}
    return frame.pixels[..., order.get(frame.encoding, [0, 0, 0])]


@pytest.mark.parametrize('palette', ['classes', 'roles'])
@pytest.mark.parametrize('alpha', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('encoding', CHANNELS)
def test_overlay(encoding, padding, alpha, palette):
    result = make_result(make_frame(encoding, padding=padding))
    result.frame.pixels.flags.writeable = False  # as it is in a message of a bag
    before = result.frame.pixels.copy()
    style = dataclasses.replace(STYLE, overlay_alpha=alpha, palette=palette)
    value = encode.overlay(result, style)
    colors = (TOY.palette if palette == 'classes' else TOY.role_palette)[result.labels]
    expected = (1 - alpha) * as_rgb(result.frame) + alpha * colors
    assert (value.encoding, value.step) == ('rgb8', 3 * WIDTH)
    np.testing.assert_allclose(pixels_of(value), expected, atol=0.51)
    np.testing.assert_array_equal(result.frame.pixels, before)


@pytest.mark.parametrize('encoding', CHANNELS)
@pytest.mark.parametrize('size', [(HEIGHT, WIDTH), (40, 56)])
def test_overlay_has_the_masks_size(encoding, size):
    """Between camera and mask of other sizes, a flat image stays what it is."""
    frame = make_frame(encoding, (20, 28), padding=3)
    frame.pixels[:] = frame.pixels[0, 0]
    value = encode.overlay(make_result(frame, size), dataclasses.replace(STYLE, overlay_alpha=0.0))
    assert (value.height, value.width) == size
    expected = np.broadcast_to(as_rgb(frame)[0, 0], (*size, 3))
    np.testing.assert_array_equal(pixels_of(value), expected)


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('encoding', CHANNELS)
def test_images_are_decoded_to_their_frame(encoding, padding, received):
    frame = make_frame(encoding, padding=padding)
    value = encode.image(frame)
    assert np.shares_memory(value.data, frame.pixels) == (padding == 0)
    again = decode(received(value))
    assert (again.encoding, again.stamp_ns, again.frame_id) == (
        encoding,
        frame.stamp_ns,
        frame.frame_id,
    )
    np.testing.assert_array_equal(again.pixels, frame.pixels)


@pytest.mark.parametrize('codec', ['jpeg', 'png'])
@pytest.mark.parametrize('encoding', CHANNELS)
def test_compressed_images_are_decoded_to_their_frame(encoding, codec, received):
    frame = make_frame(encoding, (24, 32), padding=3)
    frame.pixels[:] = cv2.resize(
        frame.pixels[:2, :2], (32, 24), interpolation=cv2.INTER_LINEAR
    ).reshape(frame.pixels.shape)
    again = decode(received(encode.compressed_image(frame, codec)))
    assert (again.stamp_ns, again.frame_id) == (frame.stamp_ns, frame.frame_id)
    assert again.encoding == ('mono8' if encoding == 'mono8' else 'bgr8')
    difference = as_rgb(again).astype(int) - as_rgb(frame)
    assert np.abs(difference).mean() <= {'jpeg': 2.0, 'png': 0.0}[codec]


def test_format_is_that_of_image_transport():
    texts = {
        (encoding, codec): encode.compressed_image(make_frame(encoding), codec).format
        for encoding in ('rgb8', 'mono8')
        for codec in ('jpeg', 'png')
    }
    assert texts == {
        ('rgb8', 'jpeg'): 'rgb8; jpeg compressed bgr8',
        ('rgb8', 'png'): 'rgb8; png compressed bgr8',
        ('mono8', 'jpeg'): 'mono8; jpeg compressed mono8',
        ('mono8', 'png'): 'mono8; png compressed mono8',
    }


def test_quality_is_a_choice():
    frame = make_frame(size=(64, 64))
    low, high = (encode.compressed_image(frame, quality=q).data.size for q in (10, 95))
    assert low < high


def test_images_that_cannot_be_compressed():
    with pytest.raises(UnknownNameError, match='jpeg'):
        encode.compressed_image(make_frame(), 'jpg2000')
    with pytest.raises(OutputError, match='70000, 1'):
        encode.compressed_image(make_frame(size=(1, 70000)), 'jpeg')


# Calibration


def project(matrix, points):
    """Return u, v of metric points (N, 3) through a 3x4 matrix."""
    image_points = matrix @ np.column_stack([points, np.ones(len(points))]).T
    return image_points[:2] / image_points[2]


ROI = RegionOfInterest(x_offset=3, y_offset=2, height=6, width=8)
VIEWS = {
    'same_size': ({'height': HEIGHT, 'width': WIDTH}, (0, 0), (1.0, 1.0)),
    'half': ({}, (0, 0), (0.5, 0.5)),
    'double': ({'height': 3, 'width': 3}, (0, 0), (WIDTH / 3, HEIGHT / 3)),
    'binned': ({'binning_x': 2, 'binning_y': 2}, (0, 0), (0.5, 0.5)),
    'region': ({'roi': ROI}, (3, 2), (WIDTH / 8, HEIGHT / 6)),
    'both': ({'roi': ROI, 'binning_x': 2, 'binning_y': 2}, (3, 2), (WIDTH / 8, HEIGHT / 6)),
}


@pytest.mark.parametrize(('changes', 'offset', 'scale'), VIEWS.values(), ids=VIEWS)
def test_camera_info_sees_the_same_points(changes, offset, scale, received):
    """A point seen at u by the camera is seen at (u - offset + 0.5) * scale - 0.5 in the mask."""
    message = received(dataclasses.replace(CALIBRATION, **changes))
    value = encode.camera_info(message, RESULT)
    points = np.random.default_rng(3).uniform((-1, -1, 4), (1, 1, 6), (20, 3))
    offset, scale = np.array(offset)[:, None], np.array(scale)[:, None]
    for before, after in (
        (np.reshape(message.p, (3, 4)), value.p.reshape(3, 4)),
        (np.c_[np.reshape(message.k, (3, 3)), [0, 0, 0]], np.c_[value.k.reshape(3, 3), [0, 0, 0]]),
    ):
        expected = (project(before, points) - offset + 0.5) * scale - 0.5
        np.testing.assert_allclose(project(after, points), expected, atol=1e-9)


def test_camera_info_keeps_what_does_not_depend_on_size(received):
    message = received(dataclasses.replace(CALIBRATION, binning_x=2, binning_y=2, roi=ROI))
    value = encode.camera_info(message, RESULT)
    assert (value.height, value.width, value.distortion_model) == (HEIGHT, WIDTH, 'plumb_bob')
    assert (value.binning_x, value.binning_y, value.roi) == (0, 0, RegionOfInterest())
    np.testing.assert_array_equal(value.d, CALIBRATION.d)
    np.testing.assert_array_equal(value.r, CALIBRATION.r)


def test_camera_info_of_an_uncalibrated_camera(received):
    zeros = {name: np.zeros(count) for name, count in (('d', 0), ('k', 9), ('r', 9), ('p', 12))}
    message = received(dataclasses.replace(CALIBRATION, height=0, width=0, **zeros))
    value = encode.camera_info(message, RESULT)
    assert not value.k.any()
    assert not value.p.any()
    assert value.d.size == 0


# Classes


def test_label_info():
    assert plain(encode.label_info(TOY, None, CAMERA_HEADER).class_map) == [
        {'class_id': 0, 'class_name': 'Road'},
        {'class_id': 1, 'class_name': 'Car'},
        {'class_id': 2, 'class_name': 'traffic light'},
    ]


def test_label_info_says_what_the_mask_holds():
    remap = parse_remap('Road=7, Car=255', TOY)
    listed = plain(encode.label_info(TOY, remap, CAMERA_HEADER).class_map)
    assert listed == [
        {'class_id': 7, 'class_name': 'Road'},
        {'class_id': 2, 'class_name': 'traffic light'},
    ]


@pytest.mark.parametrize(
    ('text', 'changes'),
    [
        ('Road=7, Car=26', {0: 7, 1: 26}),
        ('Road=7,Car=26,', {0: 7, 1: 26}),
        (' traffic light = 255 ', {2: 255}),
        ('Road=0', {}),
        ('Road=1, Car=0', {0: 1, 1: 0}),
    ],
)
def test_parse_remap(text, changes):
    expected = list(range(256))
    for label, value in changes.items():
        expected[label] = value
    table = parse_remap(text, TOY)
    assert table.dtype == np.uint8
    assert table.tolist() == expected


@pytest.mark.parametrize('text', ['', ' ', ',', ' , '])
def test_no_remap(text):
    assert parse_remap(text, TOY) is None


@pytest.mark.parametrize(
    ('text', 'error', 'words'),
    [
        ('road=7', UnknownNameError, "did you mean 'Road'"),
        ('Road=7, Truck=1', UnknownNameError, 'Truck'),
        ('Road=256', ConfigError, '0 to 255'),
        ('Road=-1', ConfigError, '0 to 255'),
        ('Road=7.5', ConfigError, 'CLASS=VALUE'),
        ('Road=', ConfigError, 'CLASS=VALUE'),
        ('=7', ConfigError, 'CLASS=VALUE'),
        ('Road', ConfigError, 'CLASS=VALUE'),
        ('Road 7; Car 26', ConfigError, 'CLASS=VALUE'),
        ('Road=²', ConfigError, 'CLASS=VALUE'),
        ('Road=1, Road=2', ConfigError, 'twice'),
    ],
)
def test_bad_remaps_are_refused(text, error, words):
    with pytest.raises(error) as caught:
        parse_remap(text, TOY)
    assert words in str(caught.value)


def test_shared_mask_values_are_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        parse_remap('Road=7, Car=26, traffic light=255', TOY)
        assert not caplog.records
        parse_remap('Road=1', TOY)
    assert 'Road and Car share the mask value 1' in caplog.text


# Metric outputs


def test_grid():
    value = encode.grid(RESULT, STYLE)
    grid = RESULT.drivable.grid
    assert (value.info.width, value.info.height, value.info.resolution) == (6, 4, 0.25)
    assert value.info.map_load_time == value.header.stamp
    assert value.data.dtype == np.int8
    assert np.shares_memory(value.data, grid.cells)
    origin = value.info.origin
    assert plain(origin.orientation) == {'x': 0.0, 'y': 0.0, 'z': 0.0, 'w': 1.0}
    # Cell (0, 0) begins at the origin, the index runs along x first (nav_msgs/OccupancyGrid).
    for x_m, y_m, row, column in ((1.01, -2.49, 0, 0), (2.3, -2.4, 0, 5), (1.1, -1.55, 3, 0)):
        x_index = int((x_m - origin.position.x) / value.info.resolution)
        y_index = int((y_m - origin.position.y) / value.info.resolution)
        assert value.data[y_index * value.info.width + x_index] == grid.cells[row, column]


def test_boundary():
    vertices = encode.boundary(RESULT, STYLE).polygon.points
    drivable = RESULT.drivable
    outline = np.concatenate((drivable.boundary_m, drivable.near_edge_m))
    np.testing.assert_array_equal([(v.x, v.y) for v in vertices], outline)
    assert {v.z for v in vertices} == {0.0}


FORMATS = {PointField.FLOAT32: ('f', 'f4'), PointField.UINT8: ('B', 'u1')}


@pytest.mark.parametrize('style', [STYLE, REMAPPED, dataclasses.replace(STYLE, palette='roles')])
def test_points(style):
    value = encode.points(RESULT, style)
    assert (value.height, value.width, value.row_step) == (1, 9, 9 * value.point_step)
    assert [field.name for field in value.fields] == ['x', 'y', 'z', 'label', 'confidence', 'rgb']
    found, data = RESULT.drivable.points, value.data.tobytes()
    for index in range(value.width):
        start = index * value.point_step
        x, y, z, label, confidence, rgb = (
            struct.unpack_from('<' + FORMATS[field.datatype][0], data, start + field.offset)[0]
            for field in value.fields
        )
        class_id = int(found.labels[index])
        assert (x, y, z) == tuple(found.xyz_m[index].tolist())
        assert label == (class_id if style.remap is None else style.remap[class_id])
        assert confidence == found.confidence[index]
        (bits,) = struct.unpack('<I', struct.pack('<f', rgb))
        red, green, blue = style.colors[class_id].tolist()
        assert bits == red << 16 | green << 8 | blue


def test_points_lie_as_their_fields_say():
    """A reader makes its type from the fields alone, and none ends before the point does."""
    array = encode.points_array(RESULT, STYLE)
    fields = encode.POINT_FIELDS
    from_fields = np.dtype(
        {
            'names': [field.name for field in fields],
            'formats': [FORMATS[field.datatype][1] for field in fields],
            'offsets': [field.offset for field in fields],
        }
    )
    assert array.dtype == from_fields
    assert all(field.offset % from_fields[field.name].itemsize == 0 for field in fields)
    assert array.tobytes() == encode.points(RESULT, STYLE).data.tobytes()


@pytest.mark.ros
def test_points_are_those_of_sensor_msgs_py(rclpy_messages):
    library = pytest.importorskip(
        'sensor_msgs_py.point_cloud2', reason='sensor_msgs_py is not installed'
    )
    value = encode.points(RESULT, STYLE)
    message = build(value, rclpy_messages.make)
    array = encode.points_array(RESULT, STYLE)
    assert library.create_cloud(message.header, message.fields, array) == message


def test_no_points(rosbags_messages):
    none = Points(np.empty((0, 3), np.float32), np.empty(0, np.uint8), np.empty(0, np.uint8))
    drivable = dataclasses.replace(RESULT.drivable, points=none)
    value = encode.points(dataclasses.replace(RESULT, drivable=drivable), STYLE)
    assert (value.width, value.row_step, value.data.size) == (0, 0, 0)
    message = build(value, rosbags_messages.make)
    assert rosbags_messages.write(message, value.TYPE)
