# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Video in bags: the right picture under every stamp, and no picture that may be wrong."""

import numpy as np
import pytest
from fixtures.video import (
    ENCODERS,
    SIZE,
    TOPIC,
    Stream,
    decode_plainly,
    encode_stream,
    scene_images,
    stamp,
    video_message,
    write_image_bag,
    write_video_bag,
)

from mfaranet_ros import open_recording
from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.data.bags.writer import BagWriter
from mfaranet_ros.data.stamps import stamp_text
from mfaranet_ros.pipeline.video_decoder import DECODERS, open_decoder

COUNT = 20


@pytest.fixture(scope='module')
def streams() -> dict[str, Stream]:
    images = scene_images(COUNT)
    return {
        **{codec: encode_stream(codec, images) for codec in ENCODERS},
        'h264 with b-frames': encode_stream('h264', images, bframes=3),
        'h264 open gop': encode_stream('h264', images, 'open-gop=1:b-adapt=0', bframes=2),
        'h265 with b-frames': encode_stream('h265', images, 'b-adapt=0', bframes=3),
    }


def read(path, **options):
    """Return the pixels by stamp, and what could not be read."""
    with open_recording(path, **options) as recording:
        frames = list(recording)
    return {frame.stamp_ns: frame.frame.pixels for frame in frames}, recording.notes


@pytest.mark.parametrize('kind', ['plain', 'foxglove', 'ffmpeg'])
@pytest.mark.parametrize('name', [*ENCODERS, 'h264 with b-frames', 'h265 with b-frames'])
def test_every_picture_stands_under_its_own_stamp(name, kind, streams, tmp_path):
    stream = streams[name]
    found, notes = read(write_video_bag(tmp_path / 'bag', stream, kind))
    assert list(found) == [stamp(number) for number in range(COUNT)]
    for pixels, wanted in zip(found.values(), decode_plainly(stream), strict=True):
        np.testing.assert_array_equal(pixels, wanted)
    assert not [note for note in notes if 'left out' in note]


@pytest.mark.parametrize('name', ['h264', 'h265', 'av1', 'h264 open gop', 'h265 with b-frames'])
def test_stream_that_begins_in_the_middle(name, streams, tmp_path):
    stream = streams[name]
    path = write_video_bag(tmp_path / 'bag', stream, numbers=range(3, len(stream.packets)))
    found, notes = read(path)
    wanted = dict(zip(map(stamp, range(COUNT)), decode_plainly(stream), strict=True))
    assert min(found) >= stamp(6)
    assert max(found) == stamp(COUNT - 1)
    for stamp_ns, pixels in found.items():
        np.testing.assert_array_equal(pixels, wanted[stamp_ns])
    assert any('no key frame before it' in note for note in notes)
    assert len(found) + len([n for n in notes if 'left out' in n]) == len(stream.packets) - 3


@pytest.mark.parametrize('name', ['h264', 'h265'])
def test_pictures_after_a_lost_message_are_left_out_up_to_the_next_key_frame(
    name, streams, tmp_path
):
    stream = streams[name]
    numbers = [number for number in range(COUNT) if number != 4]
    found, notes = read(write_video_bag(tmp_path / 'bag', stream, numbers=numbers))
    assert list(found) == [stamp(number) for number in range(COUNT) if number not in (4, 5, 6, 7)]
    wanted = decode_plainly(stream)
    for stamp_ns, pixels in found.items():
        number = (stamp_ns - stamp(0)) // (stamp(1) - stamp(0))
        np.testing.assert_array_equal(pixels, wanted[number])
    assert [note.partition(' ')[0] for note in notes if 'left out' in note] == [
        stamp_text(stamp(number)) for number in (5, 6, 7)
    ]


@pytest.mark.parametrize('name', ['h264', 'h265', 'av1'])
@pytest.mark.parametrize('damaged', [0, 4])
def test_damaged_message_costs_what_follows_it_up_to_the_next_key_frame(
    name, damaged, streams, tmp_path
):
    stream = streams[name]
    packets = list(stream.packets)
    half = packets[damaged][: len(packets[damaged]) // 2]
    packets[damaged] = half + bytes(len(packets[damaged]) - len(half))
    path = write_video_bag(tmp_path / 'bag', Stream(stream.codec, tuple(packets), stream.shown))
    found, _ = read(path)
    wanted = dict(zip(map(stamp, range(COUNT)), decode_plainly(stream), strict=True))
    good = [stamp(number) for number in range(COUNT) if not damaged <= number < 8]
    assert [stamp_ns for stamp_ns in found if stamp_ns not in good] in ([], [stamp(damaged)])
    for stamp_ns in good:
        np.testing.assert_array_equal(found[stamp_ns], wanted[stamp_ns])


@pytest.mark.parametrize('damaged', range(8))
def test_no_picture_is_given_out_that_was_decoded_from_a_damaged_one(damaged, streams, tmp_path):
    stream = streams['h264 with b-frames']
    packets = list(stream.packets)
    packets[damaged] = packets[damaged][: 3 * len(packets[damaged]) // 4]
    path = write_video_bag(tmp_path / 'bag', Stream(stream.codec, tuple(packets), stream.shown))
    found, _ = read(path)
    wanted = dict(zip(map(stamp, range(COUNT)), decode_plainly(stream), strict=True))
    assert len(found) < COUNT
    assert set(map(stamp, range(8, COUNT))) <= found.keys()
    for stamp_ns, pixels in found.items():
        np.testing.assert_array_equal(pixels, wanted[stamp_ns])


def test_change_of_size_and_of_codec(streams, tmp_path):
    parts = [
        streams['h264'],
        encode_stream('h264', scene_images(5, (96, 160), seed=1)),
        streams['h265'],
    ]
    sizes = [[*SIZE, 3], [96, 160, 3], [*SIZE, 3]]
    begins = [0, 10**9, 2 * 10**9]
    with BagWriter(tmp_path / 'bag') as writer:
        for part, begin_ns in zip(parts, begins, strict=True):
            for number, data in enumerate(part.packets):
                stamp_ns = begin_ns + stamp(part.shown[number])
                message = video_message(writer, 'plain', part.codec, data, stamp_ns)
                writer.write(TOPIC, message, begin_ns + stamp(number))
    found, _ = read(tmp_path / 'bag')
    wanted = [pixels for part in parts for pixels in decode_plainly(part)]
    shapes = [list(pixels.shape) for pixels in found.values()]
    assert shapes == [sizes[0]] * COUNT + [sizes[1]] * 5 + [sizes[2]] * COUNT
    for pixels, right in zip(found.values(), wanted, strict=True):
        np.testing.assert_array_equal(pixels, right)


def test_ground_truth_is_paired_by_the_stamp_of_the_picture(streams, tmp_path):
    labels = [(stamp(n), np.full(SIZE, n, np.uint8)) for n in range(COUNT)]
    path = write_video_bag(
        tmp_path / 'bag', streams['h265 with b-frames'], 'foxglove', ground_truth=labels
    )
    with open_recording(path, ground_truth='/truth/labels') as recording:
        pairs = [(frame.stamp_ns, frame.ground_truth.max()) for frame in recording]
    assert pairs == [(stamp_ns, ids.max()) for stamp_ns, ids in labels]


def test_parameter_sets_in_a_message_of_their_own(streams, tmp_path):
    stream = streams['h264']
    first = stream.packets[0]
    cut = first.index(b'\x00\x00\x01\x65') - (first[first.index(b'\x00\x00\x01\x65') - 1] == 0)
    packets = (first[:cut], first[cut:], *stream.packets[1:])
    path = write_video_bag(tmp_path / 'bag', Stream('h264', packets, (0, 0, *stream.shown[1:])))
    found, _ = read(path)
    assert len(found) == COUNT
    np.testing.assert_array_equal(found[stamp(0)], decode_plainly(stream)[0])


def test_video_without_key_frames_is_refused_with_its_reason(streams, tmp_path):
    path = write_video_bag(tmp_path / 'bag', streams['h264'], numbers=range(1, 7))
    found, notes = read(path)
    assert not found
    assert len([note for note in notes if 'no key frame before it' in note]) == 6


@pytest.mark.parametrize('data', [b'\x00\x00\x00\x10\x65\x88\x84', b'\xff\xd8\xff', b''])
def test_data_that_are_no_stream_are_named(data, streams, tmp_path):
    stream = streams['h264']
    packets = (*stream.packets[:3], data, *stream.packets[4:])
    path = write_video_bag(tmp_path / 'bag', Stream('h264', packets, stream.shown), 'foxglove')
    found, notes = read(path)
    assert list(found) == [stamp(n) for n in range(COUNT) if not 3 <= n < 8]
    reason = 'without data' if not data else f'{data[:4].hex()}, which is no start code'
    assert any(reason in note for note in notes)


def test_unknown_codec_is_refused_with_those_that_are_known(streams, tmp_path):
    path = write_video_bag(tmp_path / 'bag', Stream('vp8', (b'abc',), (0,)), 'foxglove')
    with pytest.raises(
        SourceError, match=r"unknown video codec 'vp8'.*choose from av1, h264, h265"
    ):
        read(path)


def test_codec_without_a_decoder_names_the_install_line(monkeypatch):
    monkeypatch.setitem(DECODERS['cpu'], 'av1', ('no_such_decoder',))
    with pytest.raises(ConfigError, match='no decoder for av1: pip install --upgrade av'):
        open_decoder('av1')


def test_raw_images_of_the_same_camera_come_first(streams, tmp_path):
    images = decode_plainly(streams['h264'])
    raw, video = tmp_path / 'raw', tmp_path / 'video'
    write_image_bag(raw, images)
    write_video_bag(video, streams['h264'], 'ffmpeg', topic='/cam/image_raw/ffmpeg')
    with open_recording([raw, video]) as recording:
        assert len(list(recording)) == COUNT
