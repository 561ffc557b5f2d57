# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every encoding, at odd and even sizes, with padded rows, of either endianness and message kind.

The reference is rosbags-image where it knows an encoding, the test's own arithmetic elsewhere.
"""

from __future__ import annotations

import array
import dataclasses
import struct
import sys
import types
import zlib

import cv2
import numpy as np
import pytest
import rosbags.image

from mfaranet_ros.core.errors import DecodeError
from mfaranet_ros.core.frame import CHANNELS
from mfaranet_ros.pipeline.decode import LAYOUTS, MAX_SIDE_PX, REASONS, decode
from mfaranet_ros.pipeline.messages import CompressedImage, Header, Image, Time

HEADER = Header(Time(1_700_000_000, 123_456_789), 'camera_front_optical')
STAMP_NS = 1_700_000_000_123_456_789

# encoding: bytes of a pixel in a row, rows per image row, what a frame of it is encoded as
ENCODINGS = {
    'rgb8': (3, 1, 'rgb8'),
    'bgr8': (3, 1, 'bgr8'),
    'rgba8': (4, 1, 'rgba8'),
    'bgra8': (4, 1, 'bgra8'),
    'mono8': (1, 1, 'mono8'),
    '8UC1': (1, 1, 'mono8'),
    '8UC3': (3, 1, 'bgr8'),
    'mono16': (2, 1, 'mono8'),
    '16UC1': (2, 1, 'mono8'),
    'bayer_rggb8': (1, 1, 'rgb8'),
    'bayer_bggr8': (1, 1, 'rgb8'),
    'bayer_gbrg8': (1, 1, 'rgb8'),
    'bayer_grbg8': (1, 1, 'rgb8'),
    'yuv422': (2, 1, 'rgb8'),
    'uyvy': (2, 1, 'rgb8'),
    'yuv422_yuy2': (2, 1, 'rgb8'),
    'yuyv': (2, 1, 'rgb8'),
    'nv12': (1, 1.5, 'rgb8'),
    'nv21': (1, 1.5, 'rgb8'),
    'nv24': (1, 3, 'rgb8'),
}
RAW = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', '8UC1', '8UC3')
EVEN_WIDTH = ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21')
EVEN_HEIGHT = ('nv12', 'nv21')
UNKNOWN_TO_REFERENCE = ('nv24',)


def sizes_of(encoding: str) -> list[tuple[int, int]]:
    """Heights and widths, odd ones where the encoding has them."""
    odd = (7, 5)
    return [(6, 8), (odd[0] + (encoding in EVEN_HEIGHT), odd[1] + (encoding in EVEN_WIDTH))]


CASES = [(encoding, *size) for encoding in ENCODINGS for size in sizes_of(encoding)]


def make_image(rows, encoding, height, width, *, padding=0, bigendian=0) -> Image:
    """Return an Image of rows of bytes, uint8 (R, B), each followed by garbage."""
    if encoding == 'nv24':  # a row of chroma is two rows long, and so is its padding
        planes = [pad(rows[:height], padding), pad(rows[height:].reshape(height, -1), 2 * padding)]
    else:
        planes = [pad(rows, padding)]
    data = np.concatenate([plane.reshape(-1) for plane in planes])
    return Image(HEADER, height, width, encoding, bigendian, planes[0].shape[1], data)


def pad(rows, padding):
    return np.pad(rows, ((0, 0), (0, padding)), constant_values=0xA5)


def random_rows(encoding, height, width, seed=0):
    pixel_bytes, planes, _ = ENCODINGS[encoding]
    shape = (int(height * planes), width * pixel_bytes)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def by_reference(rows, encoding, height, width, bigendian, target):
    """Decode unpadded rows by rosbags-image, which counts the chroma rows into the height."""
    message = make_image(rows, encoding, len(rows), width, bigendian=bigendian)
    image = rosbags.image.message_to_cvimage(message, target)
    return image.reshape(height, width, -1)


def yuv_to_rgb(luma, blue, red):
    """BT.601 of studio range, in float64."""
    luma, blue, red = (np.asarray(value, np.float64) for value in (luma, blue, red))
    luma = 1.164383 * (np.maximum(luma, 16) - 16)
    blue, red = blue - 128, red - 128
    rgb = [luma + 1.596027 * red, luma - 0.391762 * blue - 0.812968 * red, luma + 2.017232 * blue]
    return np.clip(np.stack(rgb, axis=-1), 0, 255)


def by_hand(rows, height, width):
    """Decode unpadded rows of nv24."""
    luma, chroma = rows[:height], rows[height:].reshape(height, width, 2)
    return yuv_to_rgb(luma, chroma[..., 0], chroma[..., 1])


def test_table_is_the_interface():
    assert set(LAYOUTS) == set(ENCODINGS)


@pytest.mark.parametrize('bigendian', [0, 1])
@pytest.mark.parametrize('padding', [0, 5, 8])
@pytest.mark.parametrize(('encoding', 'height', 'width'), CASES)
def test_pixels(encoding, height, width, padding, bigendian, received):
    rows = random_rows(encoding, height, width)
    value = make_image(rows, encoding, height, width, padding=padding, bigendian=bigendian)
    frame = decode(received(value))
    target = ENCODINGS[encoding][2]
    assert (frame.encoding, frame.size) == (target, (height, width))
    assert frame.pixels.shape == (height, width, CHANNELS[target])
    assert frame.pixels.dtype == np.uint8
    if encoding in UNKNOWN_TO_REFERENCE:
        np.testing.assert_allclose(frame.pixels, by_hand(rows, height, width), atol=1.0)
    else:
        expected = by_reference(rows, encoding, height, width, bigendian, target)
        np.testing.assert_array_equal(frame.pixels, expected)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_header_is_copied(encoding, received):
    frame = decode(received(make_image(random_rows(encoding, 6, 8), encoding, 6, 8)))
    assert (frame.stamp_ns, frame.frame_id) == (STAMP_NS, 'camera_front_optical')


HOLDERS = {
    'bytes': np.ndarray.tobytes,
    'bytearray': lambda data: bytearray(data.tobytes()),
    'array': lambda data: array.array('B', data.tobytes()),
    'memoryview': memoryview,
    'numpy': lambda data: data,
}


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('holder', HOLDERS)
@pytest.mark.parametrize('encoding', RAW)
def test_raw_encodings_are_views(encoding, holder, padding):
    value = make_image(random_rows(encoding, 7, 5), encoding, 7, 5, padding=padding)
    message = dataclasses.replace(value, data=HOLDERS[holder](value.data))
    frame = decode(message)
    assert np.shares_memory(frame.pixels, np.frombuffer(message.data, np.uint8))
    assert frame.pixels.strides == (value.step, ENCODINGS[encoding][0], 1)
    np.testing.assert_array_equal(frame.pixels, decode(value).pixels)


@pytest.mark.parametrize('encoding', RAW)
def test_received_raw_messages_are_views(encoding, received):
    message = received(make_image(random_rows(encoding, 7, 5), encoding, 7, 5, padding=3))
    assert np.shares_memory(decode(message).pixels, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize('holder', HOLDERS)
@pytest.mark.parametrize('encoding', [name for name in ENCODINGS if name not in RAW])
def test_converted_encodings_take_any_bytes(encoding, holder):
    value = make_image(random_rows(encoding, 6, 8), encoding, 6, 8, padding=3)
    message = dataclasses.replace(value, data=HOLDERS[holder](value.data))
    np.testing.assert_array_equal(decode(message).pixels, decode(value).pixels)


# The same image in every encoding, made by the test's own arithmetic: left half one colour,
# right half another, so that exchanged channels, planes or columns show.

LEFT, RIGHT = (200, 100, 50), (30, 60, 180)


def scene(height=8, width=12):
    image = np.empty((height, width, 3), np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = LEFT, RIGHT
    return image


def to_yuv(rgb):
    """RGB -> Y, Cb, Cr by BT.601 of studio range."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    luma = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    cb = 128 + (-37.797 * red - 74.203 * green + 112.0 * blue) / 255
    cr = 128 + (112.0 * red - 93.786 * green - 18.214 * blue) / 255
    return [np.rint(plane).astype(np.uint8) for plane in (luma, cb, cr)]


def mosaic(rgb, pattern):
    channel = np.array(['rgb'.index(letter) for letter in pattern]).reshape(2, 2)
    tiled = np.tile(channel, (rgb.shape[0] // 2, rgb.shape[1] // 2))
    return np.take_along_axis(rgb, tiled[..., None], axis=2)[..., 0]


def packed(rgb, luma_first):
    luma, cb, cr = to_yuv(rgb)
    chroma = np.where(np.arange(rgb.shape[1]) % 2, cr, cb)
    pair = (luma, chroma) if luma_first else (chroma, luma)
    return np.stack(pair, axis=-1).reshape(len(rgb), -1)


def planar(rgb, order, subsampled):
    luma, cb, cr = to_yuv(rgb)
    take = slice(None, None, 2 if subsampled else 1)
    planes = {'cb': cb[take, take], 'cr': cr[take, take]}
    chroma = np.stack([planes[name] for name in order], axis=-1)
    return np.vstack([luma, chroma.reshape(-1, rgb.shape[1])])


def gray(rgb):
    return rgb[..., 1]


def alpha(rgb):
    return np.dstack([rgb, np.full(rgb.shape[:2], 7, np.uint8)]).reshape(len(rgb), -1)


def deep(rgb, order):
    return (gray(rgb).astype(order + 'u2') * np.uint16(257)).astype(order + 'u2').view(np.uint8)


WRITERS = {
    'rgb8': lambda rgb: rgb.reshape(len(rgb), -1),
    'bgr8': lambda rgb: rgb[..., ::-1].reshape(len(rgb), -1),
    '8UC3': lambda rgb: rgb[..., ::-1].reshape(len(rgb), -1),
    'rgba8': alpha,
    'bgra8': lambda rgb: alpha(rgb[..., ::-1]),
    'mono8': gray,
    '8UC1': gray,
    'mono16': lambda rgb: deep(rgb, '<'),
    '16UC1': lambda rgb: deep(rgb, '<'),
    'bayer_rggb8': lambda rgb: mosaic(rgb, 'rggb'),
    'bayer_bggr8': lambda rgb: mosaic(rgb, 'bggr'),
    'bayer_gbrg8': lambda rgb: mosaic(rgb, 'gbrg'),
    'bayer_grbg8': lambda rgb: mosaic(rgb, 'grbg'),
    'uyvy': lambda rgb: packed(rgb, luma_first=False),
    'yuv422': lambda rgb: packed(rgb, luma_first=False),
    'yuyv': lambda rgb: packed(rgb, luma_first=True),
    'yuv422_yuy2': lambda rgb: packed(rgb, luma_first=True),
    'nv12': lambda rgb: planar(rgb, ('cb', 'cr'), subsampled=True),
    'nv21': lambda rgb: planar(rgb, ('cr', 'cb'), subsampled=True),
    'nv24': lambda rgb: planar(rgb, ('cb', 'cr'), subsampled=False),
}
CHANNEL_ORDER = {'rgb8': [0, 1, 2], 'bgr8': [2, 1, 0], 'rgba8': [0, 1, 2], 'bgra8': [2, 1, 0]}


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_same_scene_in_every_encoding(encoding):
    image = scene()
    frame = decode(make_image(WRITERS[encoding](image), encoding, 8, 12, padding=4))
    columns = [1, 2, 3, 4, 7, 8, 9, 10]  # away from the rims, where Bayer patterns are guessed
    if frame.encoding == 'mono8':
        np.testing.assert_array_equal(frame.pixels[..., 0], gray(image))
    else:
        rgb = frame.pixels[1:-1, columns][..., CHANNEL_ORDER[frame.encoding]]
        np.testing.assert_allclose(rgb.astype(int), image[1:-1, columns], atol=3)


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_every_16_bit_value(encoding, order):
    values = np.arange(65536, dtype=order + 'u2').reshape(256, 256)
    message = make_image(values.view(np.uint8), encoding, 256, 256, bigendian=int(order == '>'))
    np.testing.assert_array_equal(decode(message).pixels[..., 0], values.astype(np.int64) // 257)


def test_full_chroma_agrees_with_subsampled_chroma():
    rng = np.random.default_rng(4)
    luma = rng.integers(0, 256, (10, 12), dtype=np.uint8)
    chroma = rng.integers(0, 256, (5, 6, 2), dtype=np.uint8)
    nv12 = np.vstack([luma, chroma.reshape(5, 12)])
    nv24 = np.vstack([luma, chroma.repeat(2, 0).repeat(2, 1).reshape(20, 12)])
    one = decode(make_image(nv12, 'nv12', 10, 12)).pixels
    other = decode(make_image(nv24, 'nv24', 10, 12)).pixels
    np.testing.assert_allclose(one.astype(int), other, atol=1)


# What is refused


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('RGB8', 'rgb8'), ('rgb_8', 'rgb8'), ('8rgb', 'rgb8'), ('sensor_msgs::rgb8', 'rgb8'),
        ('sensor_msgs.image_encodings.BGR8', 'bgr8'), ('bgr888', 'bgr8'), ('rbg8', 'rgb8'),
        ('gray', 'mono8'), ('mono-8', 'mono8'), ('YUY2', 'yuyv'), ('yuv422-yuy2', 'yuv422_yuy2'),
        ('NV-12', 'nv12'), ('BayerRG8', 'bayer_rggb8'), ('bayer-gbrg8', 'bayer_gbrg8'),
        ('8uc3', '8UC3'), ('CV_8UC3', '8UC3'), ('byaer_rggb8', 'bayer_rggb8'),
    ],
)  # fmt: skip
def test_the_encoding_that_is_meant_comes_first(name, meant):
    with pytest.raises(DecodeError, match=f"did you mean '{meant}'"):
        decode(image_with(encoding=name))


def image_with(**changes) -> Image:
    value = make_image(random_rows('rgb8', 6, 8), 'rgb8', 6, 8)
    return dataclasses.replace(value, **changes)


REFUSED = [
    ('unknown', {'encoding': 'rgb9'}, 'encoding', "did you mean 'rgb8'"),
    ('nameless', {'encoding': ''}, 'encoding', 'choose from'),
    ('float', {'encoding': '32FC1'}, 'encoding', 'choose from'),
    ('no_rows', {'height': 0}, 'size', '8x0'),
    ('no_columns', {'width': 0, 'step': 0}, 'size', '0x6'),
    ('negative', {'height': -6}, 'size', '8x-6'),
    ('absurd', {'width': MAX_SIDE_PX + 1, 'step': 3 * MAX_SIDE_PX + 3}, 'size', str(MAX_SIDE_PX)),
    ('short_step', {'step': 23}, 'data', 'a row needs 24'),
    ('no_step', {'step': 0}, 'data', 'a row needs 24'),
    ('long_step', {'step': 25}, 'data', 'data has 144 bytes, 150 are needed'),
    ('short_data', {'data': np.zeros(143, np.uint8)}, 'data', '144 are needed'),
    ('no_data', {'data': b''}, 'data', '144 are needed'),
    ('list', {'data': [0] * 144}, 'data', 'data is list'),
    ('none', {'data': None}, 'data', 'data is NoneType'),
    ('wide_items', {'data': array.array('H', [0] * 144)}, 'data', 'data is array'),
    ('scattered', {'data': np.zeros(288, np.uint8)[::2]}, 'data', 'data is ndarray'),
    ('odd_yuyv', {'encoding': 'yuyv', 'width': 7}, 'size', 'width must be even'),
    ('odd_nv12', {'encoding': 'nv12', 'height': 3}, 'size', 'height must be even'),
    ('wide_nv21', {'encoding': 'nv21', 'width': 7}, 'size', 'width must be even'),
    ('tiny_bayer', {'encoding': 'bayer_rggb8', 'width': 2}, 'size', 'must be 3 to'),
    # 144 bytes hold no chroma for 24x6 pixels
    ('no_chroma', {'encoding': 'nv12', 'width': 24}, 'data', '216 are needed'),
    ('half_chroma', {'encoding': 'nv24', 'width': 24}, 'data', '432 are needed'),
]


@pytest.mark.parametrize(('changes', 'reason', 'words'), [c[1:] for c in REFUSED],
                         ids=[c[0] for c in REFUSED])  # fmt: skip
def test_bad_images_are_refused(changes, reason, words, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    with pytest.raises(DecodeError) as caught:
        decode(image_with(**changes))
    assert caught.value.reason == reason
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)
    assert reason in REASONS


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_needs_all_its_bytes(encoding):
    value = make_image(random_rows(encoding, 6, 8), encoding, 6, 8, padding=3)
    decode(value)
    with pytest.raises(DecodeError) as caught:
        decode(dataclasses.replace(value, data=value.data[:-1]))
    assert caught.value.reason == 'data'


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_needs_its_whole_rows(encoding):
    value = make_image(random_rows(encoding, 6, 8), encoding, 6, 8)
    with pytest.raises(DecodeError) as caught:
        decode(dataclasses.replace(value, step=value.step - 1))
    assert caught.value.reason == 'data'


def bridge(answer):
    """Return a stand-in for the ROS package cv_bridge."""

    class CvBridge:
        def imgmsg_to_cv2(self, message, desired_encoding):
            assert desired_encoding == 'rgb8'
            return answer(message)

    module = types.ModuleType('cv_bridge')
    module.CvBridge = CvBridge
    return module


def refuse(message):
    raise TypeError(f'no conversion\nfrom {message.encoding}')


def test_other_encodings_go_through_cv_bridge(monkeypatch):
    image = scene(6, 8)
    monkeypatch.setitem(sys.modules, 'cv_bridge', bridge(lambda message: image))
    frame = decode(image_with(encoding='bgr16', step=48, data=np.zeros(288, np.uint8)))
    assert frame.encoding == 'rgb8'
    np.testing.assert_array_equal(frame.pixels, image)


@pytest.mark.parametrize(
    'answer', [refuse, lambda message: np.zeros((6, 8), np.float32)], ids=['error', 'depth']
)
def test_what_cv_bridge_cannot_do_is_refused(monkeypatch, answer):
    monkeypatch.setitem(sys.modules, 'cv_bridge', bridge(answer))
    with pytest.raises(DecodeError, match=r'32FC1.*choose from.*cv_bridge') as caught:
        decode(image_with(encoding='32FC1'))
    assert caught.value.reason == 'encoding'
    assert '\n' not in str(caught.value)


def test_cv_bridge_is_not_given_broken_images(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', bridge(refuse))
    for changes, reason in (({'height': 0}, 'size'), ({'step': 25}, 'data')):
        with pytest.raises(DecodeError) as caught:
            decode(image_with(encoding='rgb16', **changes))
        assert caught.value.reason == reason


# Compressed images

FORMATS = {
    'jpeg': ['jpeg', 'jpg', 'bgr8; jpeg compressed bgr8', 'rgb8; jpeg compressed bgr8', ''],
    'png': ['png', 'bgr8; png compressed bgr8', 'rgb8; png compressed bgr8', 'jpeg'],
}


def smooth(height=48, width=64, channels=3, dtype=np.uint8):
    shape = (3, 4, channels) if channels > 1 else (3, 4)
    top = np.iinfo(dtype).max
    coarse = np.random.default_rng(1).integers(0, top, shape, dtype=dtype, endpoint=True)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def compress(image, codec, flags=()):
    done, data = cv2.imencode({'jpeg': '.jpg', 'png': '.png'}[codec], image, list(flags))
    assert done
    return data.reshape(-1)


def compressed(data, text='jpeg') -> CompressedImage:
    return CompressedImage(HEADER, text, np.frombuffer(bytes(data), np.uint8))


IMAGES = {
    'odd': smooth(47, 63),
    'one_pixel': smooth(1, 1),
    'gray': smooth(channels=1),
    'alpha': smooth(channels=4),
    'deep_gray': smooth(channels=1, dtype=np.uint16),
    'deep': smooth(dtype=np.uint16),
}
COMPRESSIBLE = [
    (codec, name, text)
    for codec, texts in FORMATS.items()
    for name, image in IMAGES.items()
    for text in texts
    if codec == 'png' or image.dtype == np.uint8
]


@pytest.mark.parametrize(('codec', 'name', 'text'), COMPRESSIBLE)
def test_compressed_pixels(codec, name, text, received):
    image = IMAGES[name]
    message = received(compressed(compress(image, codec), text))
    frame = decode(message)
    expected = rosbags.image.compressed_image_to_cvimage(message)
    assert frame.size == image.shape[:2]
    assert frame.encoding == ('mono8' if image.ndim == 2 else 'bgr8')
    np.testing.assert_array_equal(frame.pixels.reshape(expected.shape), expected)
    assert (frame.stamp_ns, frame.frame_id) == (STAMP_NS, HEADER.frame_id)


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('order', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_in_png_is_as_the_raw_image(order, bits):
    """The encoding before the semicolon is that of the raw image, which has one channel."""
    mosaic = np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8)
    height, width = mosaic.shape
    encoding = f'bayer_{order}8'
    raw = decode(Image(HEADER, height, width, encoding, 0, width, mosaic.tobytes()))
    stored = mosaic if bits == 8 else mosaic.astype(np.uint16) * 257
    data = cv2.imencode('.png', stored)[1].tobytes()
    frame = decode(compressed(data, f'bayer_{order}{bits}; png compressed '))
    assert frame.encoding == raw.encoding == 'rgb8'
    np.testing.assert_array_equal(frame.pixels, raw.pixels)


def test_mono16_in_png_is_as_the_raw_image():
    values = np.arange(0, 65536, 97, np.uint16)[:672].reshape(21, 32)
    raw = decode(Image(HEADER, 21, 32, 'mono16', 0, 64, values.astype('<u2').tobytes()))
    data = cv2.imencode('.png', values)[1].tobytes()
    frame = decode(compressed(data, 'mono16; png compressed '))
    assert frame.encoding == raw.encoding == 'mono8'
    np.testing.assert_array_equal(frame.pixels, raw.pixels)


def test_images_stored_as_rgb_say_so():
    """As the subscriber of image_transport reads its own format."""
    frame = decode(compressed(compress(scene(), 'png'), 'rgb8; png compressed rgb8'))
    assert frame.encoding == 'rgb8'
    np.testing.assert_array_equal(frame.pixels, scene())


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack('>H', len(payload) + 2) + payload


def with_segment(jpeg, marker, payload):
    return jpeg[:2] + segment(marker, payload) + jpeg[2:]


JPEG = compress(smooth(), 'jpeg').tobytes()
PROGRESSIVE = compress(
    smooth(),
    'jpeg',
    (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
).tobytes()
THUMBNAIL = with_segment(JPEG, 0xE1, b'thumbnail' + compress(smooth(8, 8), 'jpeg').tobytes())
PNG = compress(smooth(12, 16), 'png').tobytes()
WHOLE = {'plain': JPEG, 'progressive': PROGRESSIVE, 'thumbnail': THUMBNAIL, 'png': PNG}


@pytest.mark.parametrize('name', WHOLE)
def test_truncated_images_are_refused(name):
    """However much is lost, also where a decoder would fill in gray and call it an image."""
    data = WHOLE[name]
    decode(compressed(data))
    for end in {0, 1, 2, 3, *range(4, len(data), 11), len(data) - 2, len(data) - 1}:
        with pytest.raises(DecodeError) as caught:
            decode(compressed(data[:end]))
        assert caught.value.reason == ('data' if end == 0 else 'compressed'), end


FILLINGS = {'zeros': bytes(2000), 'next_image': JPEG, 'noise': bytes(range(0xD8)) * 10}


@pytest.mark.parametrize('filling', FILLINGS)
@pytest.mark.parametrize('name', ['plain', 'progressive', 'thumbnail'])
def test_half_jpegs_are_refused_whatever_follows(name, filling):
    """As from a buffer of fixed size, or one with an older image behind the new one.

    Such data keeps a decoder busy to the last row, so that it finds nothing to complain of.
    """
    data, decoded = WHOLE[name], 0
    for lost in (2, 20, 100, 400):
        broken = data[:-lost] + FILLINGS[filling]
        decoded += cv2.imdecode(np.frombuffer(broken, np.uint8), cv2.IMREAD_COLOR) is not None
        with pytest.raises(DecodeError, match='ends early') as caught:
            decode(compressed(broken))
        assert caught.value.reason == 'compressed'
    assert decoded > 0 or name == 'progressive'  # else this would test nothing but OpenCV


@pytest.mark.parametrize('name', WHOLE)
def test_images_may_be_followed_by_padding(name):
    """Cameras with a buffer of fixed size send it whole."""
    np.testing.assert_array_equal(
        decode(compressed(WHOLE[name] + bytes(100))).pixels, decode(compressed(WHOLE[name])).pixels
    )


def test_changed_bytes_of_a_png_are_found():
    for position in range(len(PNG)):
        broken = bytearray(PNG)
        broken[position] ^= 0x10
        with pytest.raises(DecodeError) as caught:
            decode(compressed(broken, 'png'))
        assert caught.value.reason == 'compressed', position


def chunk(kind, payload):
    body = kind + payload
    return struct.pack('>I', len(payload)) + body + struct.pack('>I', zlib.crc32(body))


def test_size_is_known_before_memory_is_taken():
    header = struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)
    bomb = PNG[:8] + chunk(b'IHDR', header) + chunk(b'IDAT', b'') + chunk(b'IEND', b'')
    at = JPEG.index(b'\xff\xc0') + 5
    wide = JPEG[:at] + struct.pack('>HH', 60000, 60000) + JPEG[at + 4 :]
    flat = JPEG[:at] + struct.pack('>HH', 0, 0) + JPEG[at + 4 :]
    header = struct.pack('>IIBBBBB', 16000, 16000, 8, 2, 0, 0, 0)
    many = PNG[:8] + chunk(b'IHDR', header) + chunk(b'IDAT', b'') + chunk(b'IEND', b'')
    for data in (bomb, wide, flat, many):
        with pytest.raises(DecodeError) as caught:
            decode(compressed(data))
        assert caught.value.reason == 'size'


def test_images_are_never_turned():
    """The calibration holds for the sensor's rows, whatever a camera says of its pose."""
    tiff = b'II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x0112, 3, 1, 6, 0, 0)
    turned = with_segment(JPEG, 0xE1, b'Exif\0\0' + tiff)
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (64, 48)
    np.testing.assert_array_equal(
        decode(compressed(turned)).pixels, decode(compressed(JPEG)).pixels
    )


NO_IMAGES = [
    ('h264', b'\0\0\0\1\x67\x42', 'encoding'),
    ('', b'RIFF\0\0\0\0WEBP', 'encoding'),
    ('jpeg', b'not an image', 'compressed'),
    ('rgb8; jpeg compressed bgr8', PNG[1:], 'compressed'),
    ('png', b'\x89PNG\r\n\x1a\n', 'compressed'),
    ('jpeg', b'\xff\xd8\xff\xd9', 'compressed'),
    ('jpeg', b'\xff\xd8\xff\xff\xff\xd9', 'compressed'),
    ('jpeg', b'\xff\xd8\xff\xe0\0\2junk', 'compressed'),
    ('png', b'', 'data'),
]


@pytest.mark.parametrize(('text', 'data', 'reason'), NO_IMAGES)
def test_bad_compressed_images_are_refused(text, data, reason):
    with pytest.raises(DecodeError) as caught:
        decode(compressed(data, text))
    assert caught.value.reason == reason
    assert '\n' not in str(caught.value)


def test_compressed_data_must_be_bytes():
    with pytest.raises(DecodeError, match='data is list') as caught:
        decode(dataclasses.replace(compressed(JPEG), data=list(JPEG)))
    assert caught.value.reason == 'data'


# Whatever comes, a DecodeError or a sound frame


def check(message):
    """Return whether a message was decoded; anything but a sound frame or a refusal fails."""
    frame, reason = None, None
    try:
        frame = decode(message)
    except DecodeError as error:
        reason = error.reason
    if frame is None:
        assert reason in REASONS
        return False
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.shape[2] == CHANNELS[frame.encoding]
    assert min(frame.size) > 0
    frame.pixels.sum()  # every byte can be read
    return True


@pytest.mark.parametrize('encoding', [*ENCODINGS, '32FC1', 'rgb\n8', 'x' * 10_000])
def test_random_images(encoding):
    rng = np.random.default_rng(len(encoding))
    sides = [-1, 0, 1, 2, 3, 5, 8, 16, 33, 2**16, 2**31 - 1, 2**32 - 1]
    decoded = 0
    for _ in range(250):
        height, width, step = (int(rng.choice(sides)) for _ in range(3))
        step = width * int(rng.integers(1, 5)) + int(rng.integers(-1, 3)) if step < 16 else step
        data = rng.bytes(int(rng.integers(0, 4000)))
        bigendian = int(rng.integers(0, 256))
        decoded += check(Image(HEADER, height, width, encoding, bigendian, step, data))
    assert decoded > 0 or encoding not in ENCODINGS


@pytest.mark.parametrize('name', WHOLE)
def test_random_changes_of_compressed_images(name):
    rng = np.random.default_rng(5)
    for _ in range(150):
        data = np.frombuffer(WHOLE[name], np.uint8).copy()
        at = rng.integers(2, len(data), int(rng.integers(1, 6)))
        data[at] = rng.integers(0, 256, len(at))
        check(compressed(data))


def test_random_compressed_images():
    rng = np.random.default_rng(6)
    for start in (b'', JPEG[:3], JPEG[:20], PNG[:8], PNG[:33]):
        for _ in range(60):
            assert not check(compressed(start + rng.bytes(int(rng.integers(0, 400)))))
