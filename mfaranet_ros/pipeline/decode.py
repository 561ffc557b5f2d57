# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Turns an image message into a Frame, without copying where its encoding allows.

Only attributes are read, so a message of rclpy, one of rosbags and a test's own give the same
pixels. One row of LAYOUTS is one encoding; the rows of compressed.CODECS are the compressed
images.

What is refused is refused with a DecodeError whose reason is one of REASONS:

encoding    an encoding or compressed format that is not decoded here
size        a height or width of zero, beyond MAX_SIDE_PX, or not possible in the encoding
data        fewer bytes than the header promises, or not bytes at all
compressed  a broken or truncated jpeg or png
video       a picture of a video that is missing or may be wrong (video_decoder.py)
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import DecodeError, UnknownNameError
from mfaranet_ros.core.frame import CHANNELS, Frame, MessageLike, stamp_of
from mfaranet_ros.pipeline.compressed import CODECS, Codec, measure

Pixels = NDArray[np.uint8]

REASONS = ('encoding', 'size', 'data', 'compressed', 'video')
"""The reasons a DecodeError of this module may have."""

MAX_SIDE_PX = 16384
"""No camera's image is wider or higher; a header that says so is broken."""

MAX_COMPRESSED_PIXELS = 100_000_000
"""Most pixels of a compressed image, whose few bytes may claim any size."""

_MAX_NAME = 80
"""Longest part of an encoding or format, in characters, that messages and logs quote."""


def decode(message: MessageLike) -> Frame:
    """Decode a sensor_msgs Image or CompressedImage, or anything with its attributes.

    The pixels are a view of `message.data` (rows may be padded, so strided) for rgb8, bgr8, rgba8,
    bgra8, mono8, 8UC1 (mono8 by convention) and 8UC3 (bgr8 by convention), else a converted copy.
    `message.data` is an array.array('B'), bytes or a numpy uint8 array.

    Raises DecodeError, whose reason is one of REASONS.
    """
    decode_pixels = _decode_compressed if hasattr(message, 'format') else _decode_raw
    pixels, encoding = decode_pixels(message)
    return Frame(pixels, encoding, stamp_of(message), str(message.header.frame_id))


# Raw images


@dataclass(frozen=True, eq=False)
class Raw:
    """The fields of an Image message that say where its pixels are."""

    encoding: str
    height: int
    width: int
    step: int
    big_endian: bool
    data: NDArray[np.uint8]

    def view(
        self, rows: int, channels: int, dtype: str = 'u1', *, first: int = 0, stride: int = 1
    ) -> NDArray[Any]:
        """Return rows of the data as a view (rows, width, channels) of the given type.

        first: the row of `step` bytes it starts at; stride: how many of them one row takes.
        """
        size = np.dtype(dtype).itemsize
        shape = (rows, self.width, channels)
        strides = (stride * self.step, channels * size, size)
        view: NDArray[Any] = np.ndarray(shape, dtype, self.data, first * self.step, strides)
        return view


@dataclass(frozen=True)
class Layout:
    """How the pixels of one encoding lie in a message, and what becomes of them.

    frame_encoding: the encoding of the frame, one of frame.CHANNELS.
    pixel_bytes: bytes of a pixel in a row of `step` bytes.
    convert: makes the frame's pixels; None hands over a view.
    planes: rows of `step` bytes in the data per row of the image (chroma has rows of its own).
    even: whether height and width must be even.
    min_side_px: the least height and width the conversion can work on.
    """

    frame_encoding: str
    pixel_bytes: int
    convert: Callable[[Raw], NDArray[Any]] | None = None
    planes: float = 1.0
    even: tuple[bool, bool] = (False, False)
    min_side_px: int = 1


def _mono16(raw: Raw) -> NDArray[Any]:
    # 65535 becomes 255: divided by 257, rounded down as rosbags-image does.
    values = raw.view(raw.height, 1, '>u2' if raw.big_endian else '<u2')
    pixels: Pixels = (values // np.uint16(257)).astype(np.uint8)
    return pixels


def _by_opencv(code: int, channels: int = 1, planes: float = 1.0) -> Callable[[Raw], NDArray[Any]]:
    def convert(raw: Raw) -> NDArray[Any]:
        return np.asarray(cv2.cvtColor(raw.view(int(raw.height * planes), channels), code))

    return convert


def _bayer(code: int) -> Layout:
    # OpenCV fills the outermost pixels from their neighbours; below three it has none.
    return Layout('rgb8', 1, _by_opencv(code), min_side_px=3)


def _packed_422(code: int) -> Layout:
    return Layout('rgb8', 2, _by_opencv(code, channels=2), even=(False, True))


def _planar_420(code: int) -> Layout:
    return Layout('rgb8', 1, _by_opencv(code, planes=1.5), planes=1.5, even=(True, True))


# BT.601, studio range, as OpenCV converts the other YUV encodings.
_YUV_TO_RGB = np.array([[1.164, 0.0, 1.596], [1.164, -0.391, -0.813], [1.164, 2.018, 0.0]])
_YUV_TO_RGB = np.column_stack([_YUV_TO_RGB, _YUV_TO_RGB @ (-16.0, -128.0, -128.0)])


def _nv24(raw: Raw) -> NDArray[Any]:
    # OpenCV has no code for full chroma. A row of chroma takes two steps (V4L2's NV24).
    luma = np.maximum(raw.view(raw.height, 1), np.uint8(16))
    chroma = raw.view(raw.height, 2, first=raw.height, stride=2)
    return np.asarray(cv2.transform(cv2.merge([luma, chroma]), _YUV_TO_RGB))


_UYVY = _packed_422(cv2.COLOR_YUV2RGB_UYVY)
_YUYV = _packed_422(cv2.COLOR_YUV2RGB_YUYV)
_MONO16 = Layout('mono8', 2, _mono16)

LAYOUTS = {
    **{encoding: Layout(encoding, channels) for encoding, channels in CHANNELS.items()},
    '8UC1': Layout('mono8', 1),
    '8UC3': Layout('bgr8', 3),
    'mono16': _MONO16,
    '16UC1': _MONO16,
    # ROS names the first row's first two pixels, OpenCV the second row's second and third.
    'bayer_rggb8': _bayer(cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGB2RGB),
    'uyvy': _UYVY,
    'yuv422': _UYVY,  # its older name
    'yuyv': _YUYV,
    'yuv422_yuy2': _YUYV,  # its older name
    'nv12': _planar_420(cv2.COLOR_YUV2RGB_NV12),
    'nv21': _planar_420(cv2.COLOR_YUV2RGB_NV21),
    'nv24': Layout('rgb8', 1, _nv24, planes=3.0),
}
"""The encodings that are decoded here; all others need cv_bridge."""

_SYNONYMS = {
    **dict.fromkeys(('rgb', 'rgb24', 'rgb888'), 'rgb8'),
    **dict.fromkeys(('bgr', 'bgr24', 'bgr888'), 'bgr8'),
    **dict.fromkeys(('rgba', 'rgba32', 'rgba8888'), 'rgba8'),
    **dict.fromkeys(('bgra', 'bgra32', 'bgra8888'), 'bgra8'),
    **dict.fromkeys(('gray', 'grey', 'gray8', 'grey8', 'mono'), 'mono8'),
    **dict.fromkeys(('gray16', 'grey16'), 'mono16'),
    **dict.fromkeys(('yuy2', 'yuv422yuyv'), 'yuyv'),
    'yuv422uyvy': 'uyvy',
    'cv8uc3': '8UC3',
    **dict.fromkeys(('rggb8', 'bayerrggb', 'bayerrg8'), 'bayer_rggb8'),
    **dict.fromkeys(('bggr8', 'bayerbggr', 'bayerbg8'), 'bayer_bggr8'),
    **dict.fromkeys(('gbrg8', 'bayergbrg', 'bayergb8'), 'bayer_gbrg8'),
    **dict.fromkeys(('grbg8', 'bayergrbg', 'bayergr8'), 'bayer_grbg8'),
}
"""What GenICam, V4L2, GStreamer and OpenCV call the same encodings, for suggestions."""


def _decode_raw(message: MessageLike) -> tuple[Pixels, str]:
    raw = Raw(
        str(message.encoding)[:_MAX_NAME],
        int(message.height),
        int(message.width),
        int(message.step),
        bool(message.is_bigendian),
        _as_bytes(message.data),
    )
    layout = LAYOUTS.get(raw.encoding)
    if layout is None:
        return _through_cv_bridge(message, raw), 'rgb8'
    return _convert(raw, layout)


def _convert(raw: Raw, layout: Layout) -> tuple[Pixels, str]:
    _check_size(raw.height, raw.width, raw.encoding, layout.min_side_px)
    _check_even(raw, layout)
    _check_data(raw, layout)
    if layout.convert is None:
        return raw.view(raw.height, layout.pixel_bytes), layout.frame_encoding
    pixels = layout.convert(raw)
    return pixels.reshape(raw.height, raw.width, -1), layout.frame_encoding


def _as_bytes(data: Any) -> NDArray[np.uint8]:
    try:
        view = memoryview(data)
        if view.itemsize == 1 and view.c_contiguous:
            return np.frombuffer(view, np.uint8) if view.nbytes else np.empty(0, np.uint8)
    except (TypeError, ValueError, BufferError):
        pass
    raise DecodeError(
        'data',
        f"data is {type(data).__name__}: must be contiguous bytes, array.array('B') or numpy "
        'uint8; hand over the message as it was received',
    )


def _check_size(height: int, width: int, what: str, min_side_px: int = 1) -> None:
    if not (min_side_px <= height <= MAX_SIDE_PX and min_side_px <= width <= MAX_SIDE_PX):
        raise DecodeError(
            'size',
            f'{what} image of {width}x{height} px: width and height must be {min_side_px} to '
            f'{MAX_SIDE_PX}; check the camera driver',
        )


def _check_even(raw: Raw, layout: Layout) -> None:
    sides = {'height': raw.height, 'width': raw.width}
    for (name, side), even in zip(sides.items(), layout.even, strict=True):
        if even and side % 2:
            raise DecodeError(
                'size',
                f'{raw.encoding} image of {raw.width}x{raw.height} px: its {name} must be even, '
                'because pixels share their colour in pairs; choose another size or encoding',
            )


def _check_data(raw: Raw, layout: Layout) -> None:
    what = f'{raw.encoding!r} image of {raw.width}x{raw.height} px'
    row_bytes = raw.width * layout.pixel_bytes
    if raw.step < row_bytes:
        raise DecodeError(
            'data',
            f'{what}: step is {raw.step} bytes, a row needs {row_bytes}; check the camera driver',
        )
    needed = int(raw.height * layout.planes) * raw.step
    if raw.data.size < needed:
        raise DecodeError(
            'data',
            f'{what}: data has {raw.data.size} bytes, {needed} are needed at a step of '
            f'{raw.step}; check the camera driver',
        )


def _through_cv_bridge(message: MessageLike, raw: Raw) -> Pixels:
    """Convert an encoding of no layout to rgb8, where the ROS package cv_bridge is installed."""
    try:
        cv_bridge = importlib.import_module('cv_bridge')
    except ImportError:
        raise _unknown_encoding(raw, 'install cv_bridge for others') from None
    _check_size(raw.height, raw.width, repr(raw.encoding))
    _check_data(raw, Layout('rgb8', 1))
    try:
        pixels = cv_bridge.CvBridge().imgmsg_to_cv2(message, desired_encoding='rgb8')
    except (TypeError, ValueError, KeyError, RuntimeError, cv2.error) as error:
        # CvBridgeError is a TypeError; the others come from what it is made of.
        raise _unknown_encoding(raw, 'cv_bridge: ' + ' '.join(str(error).split())) from error
    if pixels.dtype != np.uint8 or pixels.shape != (raw.height, raw.width, 3):
        raise _unknown_encoding(raw, 'cv_bridge made no rgb8 of it')
    return np.asarray(pixels)


def _unknown_encoding(raw: Raw, more: str) -> DecodeError:
    unknown = UnknownNameError('image encoding', raw.encoding, LAYOUTS, _SYNONYMS)
    return DecodeError('encoding', f'{unknown} ({more})')


# Compressed images

_READ_FLAGS = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
"""8 bit, gray or colour as stored, and never turned: the calibration holds for the sensor."""

_RESEND = 'check the camera driver and the transport for lost data'


def _decode_compressed(message: MessageLike) -> tuple[Pixels, str]:
    data = _as_bytes(message.data).tobytes()
    text = str(message.format)[:_MAX_NAME]
    codec = _find_codec(data, text)
    what = f'{codec.names[0]} image of {len(data)} bytes'
    try:
        height, width = measure(codec, data)
    except ValueError as error:
        raise DecodeError('compressed', f'{what}: {error}; {_RESEND}') from None
    _check_size(height, width, codec.names[0])
    if height * width > MAX_COMPRESSED_PIXELS:
        raise DecodeError(
            'size',
            f'{what} of {width}x{height} px: a compressed image may have '
            f'{MAX_COMPRESSED_PIXELS // 10**6} million pixels; publish a smaller one',
        )
    # image_transport writes the encoding of the raw image before the semicolon. Images of Bayer
    # and of 16 bits are compressed as they are, so their pixels are made like those of raw ones.
    raw_encoding = text.partition(';')[0].strip()
    deep = LAYOUTS.get(raw_encoding) is _MONO16
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION if deep else _READ_FLAGS
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DecodeError('compressed', f'{what}: {error.err}; {_RESEND}') from error
    if pixels is None or pixels.shape[:2] != (height, width):
        raise DecodeError('compressed', f'{what} cannot be decoded; {_RESEND}')
    if pixels.dtype == np.uint16:
        data_16 = np.ascontiguousarray(pixels, '<u2').view(np.uint8).reshape(-1)
        return _convert(Raw('mono16', height, width, 2 * width, False, data_16), _MONO16)
    bayer = LAYOUTS.get(f'{raw_encoding.removesuffix("16").removesuffix("8")}8')
    if raw_encoding.startswith('bayer_') and bayer is not None and pixels.ndim == 2:
        return _convert(Raw(raw_encoding, height, width, width, False, pixels.reshape(-1)), bayer)
    return np.asarray(pixels).reshape(height, width, -1), _channel_order(pixels, text)


def _find_codec(data: bytes, text: str) -> Codec:
    for codec in CODECS:
        if data.startswith(codec.signature):
            return codec
    names = [name for codec in CODECS for name in codec.names]
    if not data:
        raise DecodeError('data', f'compressed image of format {text!r} without data')
    promised = any(name in text.lower() for name in names)
    raise DecodeError(
        'compressed' if promised else 'encoding',
        f'compressed image of format {text!r}: its data begin as none of '
        f'{", ".join(names)}; publish one of these, or the raw image, and for h264, h265 or av1 '
        'set input.transport to video',
    )


def _channel_order(pixels: NDArray[Any], text: str) -> str:
    if pixels.ndim == 2:
        return 'mono8'
    # OpenCV decodes to BGR. An old image_transport stored RGB as if it were BGR, and said so.
    return 'rgb8' if 'compressed rgb' in text else 'bgr8'
