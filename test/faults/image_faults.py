# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images that cannot be decoded, and images that show a broken camera."""

from types import SimpleNamespace

import cv2
import numpy as np

from faults.catalogue import covered, fault, refused
from faults.drive import Drive
from mfaranet_ros.core.errors import DecodeError
from mfaranet_ros.monitoring.monitor import Level
from mfaranet_ros.pipeline.decode import decode

STAMP = SimpleNamespace(sec=1, nanosec=0)
HEADER = SimpleNamespace(stamp=STAMP, frame_id='camera')


def raw(**changes):
    """Return a raw image of 8 x 6 px with some fields changed."""
    fields = {
        'header': HEADER, 'height': 6, 'width': 8, 'encoding': 'rgb8', 'step': 24,
        'is_bigendian': 0, 'data': bytes(144),
    }  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


def compressed(data, text='jpeg'):
    """Return a compressed image."""
    return SimpleNamespace(header=HEADER, format=text, data=data)


def written(suffix, size=(6, 8)):
    """Return a small image as bytes of a file."""
    return cv2.imencode(suffix, np.full((*size, 3), 90, np.uint8))[1].tobytes()


def _refused(reason, words, message):
    assert refused(DecodeError, words, decode, message).reason == reason


@fault('images', 'height or width is 0', 'dropped as decode_size')
def image_of_no_size(kit):
    _refused('size', 'width and height must be', raw(height=0))
    _refused('size', 'width and height must be', raw(width=0))


@fault('images', 'a header of 4 billion pixels a side', 'dropped as decode_size, no memory taken')
def image_of_billions(kit):
    _refused('size', '16384', raw(height=2**32 - 1, width=2**32 - 1, step=2**32 - 1))


@fault('images', 'step is shorter than a row', 'dropped as decode_data with both numbers')
def image_step_too_short(kit):
    _refused('data', 'step is 23 bytes, a row needs 24', raw(step=23))


@fault('images', 'step is far too long', 'dropped as decode_data with both numbers')
def image_step_too_long(kit):
    _refused('data', 'are needed at a step of', raw(step=2**32 - 1))


@fault('images', 'the data end within the image', 'dropped as decode_data with both numbers')
def image_data_too_short(kit):
    _refused('data', 'data has 143 bytes, 144 are needed', raw(data=bytes(143)))


@fault('images', 'no data at all', 'dropped as decode_data')
def image_without_data(kit):
    _refused('data', 'data has 0 bytes', raw(data=b''))


@fault('images', 'data are a list of numbers', 'dropped as decode_data: hand over as received')
def image_data_list(kit):
    _refused('data', 'must be contiguous bytes', raw(data=[0] * 144))


@fault('images', 'a misspelled encoding', 'dropped as decode_encoding: did you mean ...')
def image_encoding_misspelled(kit):
    _refused('encoding', "did you mean 'rgb8'", raw(encoding='rgb9'))


@fault('images', 'an encoding of a megabyte of text', 'dropped, the message stays short')
def image_encoding_endless(kit):
    error = refused(DecodeError, 'encoding', decode, raw(encoding='x' * 10**6))
    assert len(str(error)) < 1000


@fault('images', 'nv12 of an odd height', 'dropped as decode_size: must be even')
def image_odd_nv12(kit):
    _refused('size', 'must be even', raw(encoding='nv12', height=5))


@fault('images', 'a Bayer image of two rows', 'dropped as decode_size')
def image_tiny_bayer(kit):
    _refused('size', 'must be 3 to', raw(encoding='bayer_rggb8', height=2))


@fault('images', 'a jpeg without its end', 'dropped as decode_compressed, no gray half is shown')
def image_half_jpeg(kit):
    _refused('compressed', 'ends early', compressed(written('.jpg')[:-2]))


@fault('images', 'a png with a changed byte', 'dropped as decode_compressed: its check sum')
def image_changed_png(kit):
    data = bytearray(written('.png'))
    data[45] ^= 1
    _refused('compressed', 'check sum', compressed(bytes(data), 'png'))


@fault('images', 'a compressed image without data', 'dropped as decode_data')
def image_empty_jpeg(kit):
    _refused('data', 'without data', compressed(b''))


@fault('images', 'format says jpeg, the data are png', 'decoded by what the data are')
def image_format_lies(kit):
    assert decode(compressed(written('.png'), 'jpeg')).size == (6, 8)


@fault('images', 'a compressed depth image or a video packet', 'dropped as decode_encoding')
def image_of_unknown_codec(kit):
    _refused('encoding', 'its data begin as none of', compressed(b'\x00\x00\x00\x01g', 'h264'))


@fault('images', 'the camera is frozen', 'status input: ERROR with the number of frames')
def image_frozen(kit):
    drive = Drive()
    for _ in range(5):
        drive.frame(np.full((6, 8, 3), 90, np.uint8))
    drive.expect('input', Level.ERROR, 'camera frozen: 5 identical frames')


@fault('images', 'the lens is covered', 'status input: WARN')
def image_black(kit):
    drive = Drive()
    drive.frame(np.zeros((6, 8, 3), np.uint8))
    drive.expect('input', Level.WARN, 'black frames')


@fault('images', 'the sun blinds the camera', 'status input: WARN with the share')
def image_white(kit):
    drive = Drive()
    drive.frame(np.full((6, 8, 3), 255, np.uint8))
    drive.expect('input', Level.WARN, '100 % of the pixels are white')


@fault('images', 'the camera falls silent', 'status input: ERROR with the seconds')
def image_silence(kit):
    drive = Drive()
    drive.frame()
    drive.wait(5)
    drive.expect('input', Level.ERROR, 'no image for 5')


@fault('images', 'every image is refused', 'status input: ERROR with the last reason')
def image_all_refused(kit):
    drive = Drive()
    for _ in range(3):
        drive.drop('decode_encoding', 'unknown image encoding')
    drive.expect('input', Level.ERROR, '3 of 3 images refused, the last one: unknown')


covered(
    'images', 'image_size_changes', 'the size changes from one image to the next',
    'each gets masks of its own size',
    'test/ros/test_segmentation_node.py::test_frames_may_change_their_size',
)  # fmt: skip
covered(
    'images', 'image_refused_live', 'bad images among good ones', 'the good ones are processed',
    'test/ros/test_segmentation_node.py::test_a_bad_image_is_refused_in_words_and_loses_nothing_else',
)  # fmt: skip
covered(
    'images', 'image_random_bytes', 'random changes of compressed images', 'decoded or refused',
    'test/pipeline/test_decode.py::test_random_changes_of_compressed_images',
)  # fmt: skip
