# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What messages of video say: codec, stamp, kind of picture, and whether one is missing."""

from types import SimpleNamespace

import pytest
from fixtures.video import encode_stream, scene_images

from mfaranet_ros.core.errors import DecodeError
from mfaranet_ros.core.frame import stamp_of
from mfaranet_ros.pipeline.h264_frame_num import FrameNumbers
from mfaranet_ros.pipeline.video_packets import find_codec, is_video, scan


@pytest.mark.parametrize(
    ('name', 'codec'),
    [
        ('h264', 'h264'), ('libx264;yuv420p;bgr8;bgr8', 'h264'), ('h264_nvenc', 'h264'),
        ('H.264', 'h264'), ('avc1', 'h264'), ('hevc_vaapi', 'h265'), ('h265', 'h265'),
        ('libx265;yuv420p;bgr8;rgb8', 'h265'), ('av1', 'av1'), ('libaom-av1', 'av1'),
    ],
)  # fmt: skip
def test_names_of_codecs(name, codec):
    assert find_codec(name) == codec


def test_unknown_codec():
    with pytest.raises(
        DecodeError, match=r"unknown video codec 'mpeg4'.*choose from av1"
    ) as raised:
        find_codec('mpeg4')
    assert raised.value.reason == 'encoding'


@pytest.mark.parametrize(
    ('fields', 'video'),
    [
        ({'format': 'h264', 'header': None}, True),
        ({'format': 'rgb8; jpeg compressed bgr8', 'header': None}, False),
        ({'format': 'vp8', 'timestamp': None}, True),
        ({'encoding': 'libx265', 'pts': 0}, True),
        ({'encoding': 'bgr8'}, False),
    ],
)
def test_which_messages_hold_video(fields, video):
    assert is_video(SimpleNamespace(**fields)) is video


def test_stamp_of_both_kinds_of_message():
    time = SimpleNamespace(sec=3, nanosec=5)
    assert stamp_of(SimpleNamespace(timestamp=time)) == 3_000_000_005
    assert stamp_of(SimpleNamespace(header=SimpleNamespace(stamp=time))) == 3_000_000_005


@pytest.mark.parametrize('codec', ['h264', 'h265', 'av1'])
def test_key_frames_are_recognised(codec):
    stream = encode_stream(codec, scene_images(12), gop=4)
    units = [scan(codec, data) for data in stream.packets]
    assert all(unit.picture for unit in units)
    keys = [stream.shown[place] for place, unit in enumerate(units) if unit.key]
    assert keys == [0, 4, 8]
    assert all(unit.headers for unit in units if unit.key)


@pytest.mark.parametrize('parameters', ['', 'cabac=0:ref=4', 'weightp=2:8x8dct=1:cqm=jvt'])
@pytest.mark.parametrize('bframes', [0, 3])
def test_a_missing_reference_picture_is_noticed_and_nothing_else(parameters, bframes):
    stream = encode_stream('h264', scene_images(24), parameters, gop=12, bframes=bframes)
    numbers = FrameNumbers()
    assert not any(numbers.missing(data) for data in stream.packets)
    is_reference = [data[data.rindex(b'\x00\x00\x01') + 3] & 0x60 for data in stream.packets]
    for left_out in range(1, 11):
        numbers = FrameNumbers()
        rest = [data for place, data in enumerate(stream.packets) if place != left_out]
        gaps = [place for place, data in enumerate(rest) if numbers.missing(data)]
        assert gaps[:1] == ([left_out] if is_reference[left_out] else []), left_out
