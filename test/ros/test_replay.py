# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A recorded bag through player and node: bytes, clock, ages, the masks of live and offline."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from mfaranet_ros.backends.mock import MockBackend
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.bags.writer import LATCHED, BagWriter
from mfaranet_ros.data.calibration_file import nominal_camera_info, stamped
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.pipeline.messages import build
from mfaranet_ros.ros.player_node import PlayerNode

SIZE = (48, 64)
START_NS = 1_700_000_000 * 10**9
MS = 10**6
LATE_NS = 2 * MS
"""From the stamp of a message to its log."""

NOWHERE = 'nowhere_msgs'
IMAGE, STRING = '/front/image_raw', 'std_msgs/msg/String'


def stamp_of(number, period_ms=100):
    return START_NS + number * period_ms * MS


def image(number, size=SIZE):
    return np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)


class Recorder:
    """Writes a bag of a camera."""

    def __init__(self, path):
        self._bag = BagWriter(path)
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bag.close()

    def write(self, topic, value, stamp_ns, **qos):
        message = build(value, self._bag.make)
        raw = self._bag._types.serialize_cdr(message, value.TYPE)
        self._bag.write_raw(Topic(topic, value.TYPE, 0, **qos), raw, stamp_ns + LATE_NS)

    def image(self, number, stamp_ns, size=SIZE, **changes):
        value = encode.image(Frame(image(number, size), 'bgr8', stamp_ns, 'front'))
        self.write(IMAGE, dataclasses.replace(value, **changes), stamp_ns)

    def camera_info(self, stamp_ns):
        header = encode.header(stamp_ns, 'front')
        self.write('/front/camera_info', stamped(nominal_camera_info(*SIZE, 60), header), stamp_ns)

    def text(self, topic, text, stamp_ns, qos=()):
        raw = b'\0\1\0\0' + (len(text) + 1).to_bytes(4, 'little') + text.encode() + b'\0'
        self._bag.write_raw(Topic(topic, STRING, 0, qos=qos), raw, stamp_ns + LATE_NS)


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """1 s of a camera at 10 Hz, a text kept for latecomers, one that is not, an unknown type."""
    with Recorder(tmp_path_factory.mktemp('bags') / 'bag') as recorder:
        recorder.text('/map', 'a map', START_NS, (LATCHED,))
        alien = Topic('/alien', f'{NOWHERE}/msg/Thing', 0, 'ros2msg', 'int32 data\n')
        recorder._bag.write_raw(alien, b'\0\1\0\0\0\0\0\0', START_NS)
        for number in range(10):
            recorder.camera_info(stamp_of(number))
            recorder.image(number, stamp_of(number))
            recorder.text('/talk', f'{number}', stamp_of(number))
    return recorder.path


class Theatre:
    """A vehicle of which the camera is a player."""

    def __init__(self, vehicle):
        self.vehicle = vehicle
        self.exit_codes = []

    def make(self, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        context = self.vehicle.context
        return PlayerNode(self.exit_codes.append, context=context, parameter_overrides=overrides)

    def play(self, path, **parameters):
        player = self.make(bag=str(path), **parameters)
        return self.vehicle.host(player)

    def play_to_the_end(self, path, **parameters):
        player = self.play(path, **parameters)
        self.vehicle.wait_until(lambda: self.exit_codes, 'the end', timeout_s=60.0)
        return player

    def segment(self, **parameters):
        """Start the node on the simulated clock and return it."""
        return self.vehicle.start(parameters={'use_sim_time': True, **parameters})


@pytest.fixture
def theatre(vehicle):
    return Theatre(vehicle)


def stamps(messages):
    return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]


def times_ns(clocks):
    return [m.clock.sec * 10**9 + m.clock.nanosec for m in clocks]


# -- what is published ---------------------------------------------------------------------------


def test_all_goes_out_as_it_was_recorded(theatre, bag, capfd):
    heard = {
        topic: theatre.vehicle.listen(topic, kind)
        for topic, kind in (
            ('image', Image), ('camera_info', CameraInfo), ('/talk', String), ('/clock', Clock),
        )
    }  # fmt: skip
    player = theatre.play_to_the_end(bag, topics='all', rate=2.0)
    assert theatre.exit_codes[0] == 0
    assert stamps(heard['image']) == stamps(heard['camera_info']) == list(map(stamp_of, range(10)))
    for number, message in enumerate(heard['image']):
        assert (message.encoding, message.header.frame_id) == ('bgr8', 'front')
        np.testing.assert_array_equal(decode(message).pixels, image(number))
    assert [message.data for message in heard['/talk']] == [str(n) for n in range(10)]
    found = times_ns(heard['/clock'])
    assert found == sorted(found)
    assert found[0] < stamp_of(0) + LATE_NS
    assert found[-1] > stamp_of(9) + LATE_NS
    assert dict(player.show.values)['messages_sent'] == '32'  # the map once more, beforehand
    assert 'are not installed: /alien (nowhere_msgs/msg/Thing)' in capfd.readouterr().err
    latecomer = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    maps = theatre.vehicle.listen('/map', String, latecomer)
    theatre.vehicle.wait_until(lambda: maps, 'what was kept for latecomers')


def test_compressed_images_stay_compressed(theatre, tmp_path):
    with Recorder(tmp_path / 'bag') as recorder:
        frame = Frame(image(0), 'bgr8', START_NS, 'front')
        jpeg = encode.compressed_image(frame, 'jpeg', 90)
        recorder.write(f'{IMAGE}/compressed', jpeg, START_NS)
    heard = theatre.vehicle.listen('image/compressed', CompressedImage)
    theatre.play_to_the_end(recorder.path, image_topic='front/image_raw')
    assert [message.data.tobytes() for message in heard] == [jpeg.data.tobytes()]


def test_a_beginning_is_left_out_and_an_end(theatre, bag):
    heard = theatre.vehicle.listen('image', Image)
    theatre.play_to_the_end(bag, start_s=0.25, duration_s=0.55, rate=4.0)
    assert stamps(heard) == list(map(stamp_of, range(3, 9)))


@pytest.mark.parametrize('pace', ['time', 'answer'])
def test_a_long_gap_in_the_log_is_cut_and_told(theatre, tmp_path, capfd, pace):
    """As where the first message was logged by a simulated clock that did not run yet."""
    with Recorder(tmp_path / 'bag') as recorder:
        recorder.camera_info(0)
        for number in range(3):
            recorder.image(number, stamp_of(number))
    heard = theatre.vehicle.listen('image', Image)
    infos = theatre.vehicle.listen('camera_info', CameraInfo)
    if pace == 'answer':
        theatre.segment(**{'latency.max_age_ms': 0.0})
    player = theatre.play_to_the_end(recorder.path, pace=pace, duration_s=5.0)
    assert stamps(heard) == list(map(stamp_of, range(3)))
    assert (len(infos), theatre.exit_codes) == (1, [0])
    assert dict(player.show.values)['gaps_cut'] == '1'
    assert capfd.readouterr().err.count('a gap of 1700000000 s in the log is cut') == 1


def test_a_gap_that_may_stay_is_waited_out(theatre, tmp_path):
    with Recorder(tmp_path / 'bag') as recorder:
        for number in (0, 12):
            recorder.image(number, stamp_of(number))
    player = theatre.play_to_the_end(recorder.path, max_gap_s=1.3, wait_for_subscribers=0)
    assert dict(player.show.values)['gaps_cut'] == '0'


def test_a_camera_info_that_came_once_is_sent_after_a_left_out_beginning_and_each_pass(
    theatre, tmp_path
):
    with Recorder(tmp_path / 'bag') as recorder:
        header = encode.header(stamp_of(0), 'front')
        info = stamped(nominal_camera_info(*SIZE, 60), header)
        recorder.write('/front/camera_info', info, stamp_of(0), qos=(LATCHED,))
        for number in range(6):
            recorder.image(number, stamp_of(number))
    heard = theatre.vehicle.listen('image', Image)
    infos = theatre.vehicle.listen('camera_info', CameraInfo)
    theatre.play_to_the_end(recorder.path, start_s=0.25, loop=True, duration_s=0.5)
    assert stamps(heard)[:4] == list(map(stamp_of, (3, 4, 5, 3)))
    assert stamps(infos)[:2] == [stamp_of(0)] * 2


# -- live and offline ----------------------------------------------------------------------------


class LookingBackend(MockBackend):
    """Sorts pixels by brightness, so that every image has a mask of its own."""

    def __call__(self, tensor):
        self.frames += 1
        size = [-(-side // 4) for side in tensor.shape[2:]]
        grey = F.interpolate(tensor.mean(1, keepdim=True), size, mode='area')
        levels = torch.linspace(-1, 1, self.classes).view(1, -1, 1, 1)
        return -10 * (grey - levels).abs()


def test_masks_of_a_replay_are_those_of_the_offline_run(theatre, tmp_path):
    refused = 3
    with Recorder(tmp_path / 'bag') as recorder:
        for number in range(14):
            changes = {'encoding': 'yuv9'} if number == refused else {}
            recorder.image(number, stamp_of(number), **changes)
    pipeline = build_processor(PipelineConfig(), backend=LookingBackend(11))
    offline = {}
    with open_bag(recorder.path) as recorded:
        for item in recorded.messages([IMAGE]):
            if item.message.encoding == 'bgr8':
                offline[item.stamp_ns] = pipeline(decode(item.message)).labels
    assert len({labels.tobytes() for labels in offline.values()}) == 13

    vehicle = theatre.vehicle
    node = vehicle.start(pipeline=LookingBackend(11), parameters={'use_sim_time': True})
    masks = vehicle.listen('/segmentation/mask', Image)
    player = theatre.play_to_the_end(recorder.path, pace='answer', answer_timeout_s=2.0)
    assert stamps(masks) == list(offline)
    for mask, labels in zip(masks, offline.values(), strict=True):
        np.testing.assert_array_equal(decode(mask).pixels[:, :, 0], labels)
    counted = node.monitor.snapshot(0)
    assert (counted.received, counted.processed, counted.pending, counted.lost) == (14, 13, 0, 0)
    assert counted.dropped == {'decode_encoding': 1}
    told = dict(player.show.values)
    assert (told['images_sent'], told['images_not_answered']) == ('14', '1')


# -- ages and rates on the clock of the recording ------------------------------------------------


@pytest.mark.parametrize('rate', [0.5, 1.0, 4.0])
def test_ages_and_rates_are_those_of_the_recording(theatre, bag, rate):
    node = theatre.segment(**{'latency.max_age_ms': 1000.0})
    masks = theatre.vehicle.listen('/segmentation/mask', Image)
    theatre.play_to_the_end(bag, rate=rate)
    now_ns = node.get_clock().now().nanoseconds
    assert stamp_of(20) < now_ns < stamp_of(20) + 4200 * MS  # it ran on for a last word
    snapshot = node.monitor.snapshot(stamp_of(10))
    assert len(masks) > 5
    assert snapshot.input_rate_hz == pytest.approx(10.0, rel=0.4)
    assert snapshot.output_rate_msg_hz == pytest.approx(10.0, rel=0.1 if len(masks) == 10 else 0.5)
    assert 0 <= snapshot.capture_to_publish.p50 < 100 * rate
    assert {'stamp_in_future', 'stamp_jumped_back', 'stale'}.isdisjoint(
        {*snapshot.warned, *snapshot.dropped}
    )


def test_a_jump_back_is_said_once_and_no_fault(theatre, bag, capfd):
    node = theatre.segment(**{'latency.max_age_ms': 1000.0})
    vehicle = theatre.vehicle
    masks, clocks = vehicle.listen('/segmentation/mask', Image), vehicle.listen('/clock', Clock)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    theatre.play_to_the_end(bag, loop=True, duration_s=2.5, rate=2.0)
    found = stamps(masks)
    assert found.count(stamp_of(1)) >= 2
    jumps = sum(later < earlier for earlier, later in itertools.pairwise(found))
    assert jumps == 2
    assert (np.diff(times_ns(clocks)) < 0).sum() == 2
    snapshot = node.monitor.snapshot(node.get_clock().now().nanoseconds)
    assert snapshot.warned == {'clock_jumped_back': 2}
    assert 'stale' not in snapshot.dropped
    assert snapshot.input_age_ms >= 0
    assert snapshot.capture_to_publish.max < 1000
    assert vehicle.status_of(diagnostics, 'input', 'back in time') is None
    assert capfd.readouterr().err.count('a replay was restarted') == 2


# -- bad input -----------------------------------------------------------------------------------


def test_odd_stamps_are_played_counted_and_named(theatre, tmp_path, capfd):
    numbers = (0, 1, 2, 2, 4, 3, 5)
    with Recorder(tmp_path / 'bag') as recorder:
        for place, number in enumerate(numbers):
            value = encode.image(Frame(image(place), 'bgr8', stamp_of(number), 'front'))
            recorder.write(IMAGE, value, stamp_of(place))
    heard = theatre.vehicle.listen('image', Image)
    player = theatre.play_to_the_end(recorder.path, rate=4.0)
    assert stamps(heard) == list(map(stamp_of, numbers))
    told = dict(player.show.values)
    assert (told['stamps_repeated'], told['stamps_backward']) == ('1', '1')
    assert '1 (1700000000.300000000) stamps that go back in time' in capfd.readouterr().err


def test_what_is_left_of_a_cut_bag_is_played_and_its_end_is_3(theatre, tmp_path):
    with Recorder(tmp_path / 'bag') as recorder:
        for number in range(8):
            recorder.image(number, stamp_of(number), size=(300, 400))
    whole = next(recorder.path.glob('*.mcap')).read_bytes()
    (tmp_path / 'cut.mcap').write_bytes(whole[: len(whole) * 2 // 3])
    heard = theatre.vehicle.listen('image', Image)
    theatre.play_to_the_end(tmp_path / 'cut.mcap', rate=4.0)
    assert theatre.exit_codes[0] == 3
    assert 0 < len(heard) < 8
    assert stamps(heard) == list(map(stamp_of, range(len(heard))))


@pytest.mark.parametrize(
    ('parameters', 'error', 'text'),
    [
        ({'bag': '/nowhere'}, SourceError, '/nowhere'),
        ({'image_topic': '/rear'}, SourceError, "no topic '/rear'; it has .*/front/image_raw"),
        ({'image_topic': '/talk'}, SourceError, 'must be of sensor_msgs/msg/Image'),
        ({'start_s': 9.0}, SourceError, 'is after its end'),
        ({'transport': 'compressed'}, ConfigError, 'transport is given, but a bag brings its own'),
        ({'pace': 'answer', 'topics': 'all'}, ConfigError, 'goes with topics = camera'),
        ({'bag': '', 'images': '/a', 'pace': 'answer'}, ConfigError, 'pace is given, but images'),
    ],
)
def test_what_cannot_be_played_is_refused(theatre, bag, parameters, error, text):
    with pytest.raises(error, match=text) as caught:
        theatre.make(**{'bag': str(bag), **parameters})
    assert '\n' not in str(caught.value)
