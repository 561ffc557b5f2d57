# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The player: what it publishes, when, with which stamps, and how it ends."""

import os
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu  # noqa: E402

from mfaranet_ros.core.errors import CalibrationError, ConfigError, SourceError  # noqa: E402
from mfaranet_ros.data.synthetic_source import SceneSource  # noqa: E402
from mfaranet_ros.geometry.camera import read_camera_info  # noqa: E402
from mfaranet_ros.pipeline.decode import decode  # noqa: E402
from mfaranet_ros.ros.image_show import ImageShow  # noqa: E402
from mfaranet_ros.ros.player_node import PlayerNode  # noqa: E402

PATIENCE_S = 30.0
PROMISE_S = 2.0
SIZE = (24, 32)
ALL = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


def image(number):
    return np.random.default_rng(number).integers(0, 256, (*SIZE, 3), np.uint8)


@pytest.fixture
def images(tmp_path):
    """Five images, of which all but the last have a ground truth."""
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    for number in range(5):
        cv2.imwrite(str(tmp_path / 'images' / f'{number}.jpg'), image(number))
        if number < 4:
            ground_truth = np.full(SIZE, number, np.uint8)
            cv2.imwrite(str(tmp_path / 'labels' / f'{number}.png'), ground_truth)
    return tmp_path / 'images'


class Audience:
    """A player in this process, and someone who listens to it."""

    def __init__(self, context):
        self._context = context
        self.node = Node('audience', context=context)
        self.player = None
        self.exit_codes = []
        self.heard = {}
        self._spinning = []
        self._spin(self.node)

    def _spin(self, node):
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        self._spinning.append((executor, thread))

    def make(self, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        return PlayerNode(
            finish=self.exit_codes.append, context=self._context, parameter_overrides=overrides
        )

    def play(self, **parameters):
        self.player = self.make(**{'rate_hz': 50.0, **parameters})
        self.player.start()
        self._spin(self.player)
        return self.player

    def listen(self, *topics):
        types = {
            'image': Image, 'image/compressed': CompressedImage, 'camera_info': CameraInfo,
            'truth': Image, '/diagnostics': DiagnosticArray, '/imu/data': Imu, '/odom': Odometry,
        }  # fmt: skip
        for topic in topics:
            self.heard[topic] = []
            self.node.create_subscription(types[topic], topic, self.heard[topic].append, ALL)

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f'waited in vain for {what}'
            time.sleep(0.01)

    def wait_for_end(self):
        self.wait(lambda: self.exit_codes, 'the end')
        assert set(self.exit_codes) == {0}

    def status(self):
        """Return the player's newest status, as a dictionary."""
        for message in reversed(self.heard['/diagnostics']):
            for status in message.status:
                if status.name == '/player: source':
                    values = {value.key: value.value for value in status.values}
                    return {'level': status.level[0], 'message': status.message, **values}
        return {}

    def close(self):
        for executor, thread in reversed(self._spinning):
            executor.shutdown(timeout_sec=5.0)
            thread.join(5.0)
        if self.player is not None:
            self.player.close()
            self.player.destroy_node()
        self.node.destroy_node()


@pytest.fixture
def audience():
    context = rclpy.Context()
    rclpy.init(context=context)
    audience = Audience(context)
    yield audience
    audience.close()
    rclpy.try_shutdown(context=context)


def stamps(messages):
    return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]


# -- what it publishes ---------------------------------------------------------------------------


def test_it_plays_images_calibration_and_ground_truth_and_ends(audience, images):
    audience.listen('image', 'camera_info', 'truth', '/diagnostics')
    before_ns = time.time_ns()
    audience.play(images=str(images), frame_id='front')
    audience.wait_for_end()
    heard = audience.heard
    audience.wait(lambda: audience.status().get('state') == 'finished', 'the last word')

    assert len(heard['image']) == len(heard['camera_info']) == 5
    for number, message in enumerate(heard['image']):
        assert (message.encoding, message.header.frame_id) == ('bgr8', 'front')
        on_disk = cv2.imread(str(images / f'{number}.jpg'))
        np.testing.assert_array_equal(decode(message).pixels, on_disk)
    assert stamps(heard['camera_info']) == stamps(heard['image'])
    assert [decode(m).pixels[0, 0, 0] for m in heard['truth']] == [0, 1, 2, 3]
    assert stamps(heard['truth']) == stamps(heard['image'])[:4]

    found = stamps(heard['image'])
    assert before_ns < found[0]
    assert found[-1] < time.time_ns()
    assert found == sorted(set(found))
    status = audience.status()
    assert (status['images_sent'], status['truths_sent']) == ('5', '4')
    assert status['level'] == (status['moments_missed'] != '0')  # this machine may be busy


def test_the_drive_is_played_with_its_own_camera_and_ground_truth(audience):
    audience.listen('image', 'camera_info', 'truth')
    camera = 'width=64 height=48 fx=60'
    audience.play(source='scene', seed=2, scene_options='duration_s=0.3', scene_camera=camera)
    audience.wait_for_end()
    heard, drive = audience.heard, SceneSource(2, 'duration_s=0.3', camera).scene
    assert stamps(heard['image']) == stamps(heard['camera_info']) == stamps(heard['truth'])
    assert len(heard['image']) == 3
    for index, (message, ground_truth) in enumerate(
        zip(heard['image'], heard['truth'], strict=True)
    ):
        np.testing.assert_array_equal(decode(message).pixels, drive.frame(index).rgb)
        np.testing.assert_array_equal(
            decode(ground_truth).pixels[..., 0], drive.frame(index).labels
        )
    assert read_camera_info(heard['camera_info'][0]).fx == 60


def test_a_moving_scene_is_played_with_its_sensors(audience):
    audience.listen('image', '/imu/data', '/odom')
    audience.play(
        source='scene', scene_options='preset=nod duration_s=0.3',
        scene_camera='width=64 height=48 fx=60',
    )  # fmt: skip
    audience.wait_for_end()
    frames, imu = stamps(audience.heard['image']), stamps(audience.heard['/imu/data'])
    assert len(imu) == 21
    assert len(audience.heard['/odom']) == 11
    for index, stamp_ns in enumerate(frames):
        assert imu[10 * index] == pytest.approx(stamp_ns, abs=1)


def test_jpeg_files_go_out_byte_by_byte(audience, images):
    audience.listen('image/compressed')
    audience.play(images=str(images), transport='compressed')
    audience.wait_for_end()
    sent = [(m.format, m.data.tobytes()) for m in audience.heard['image/compressed']]
    assert sent == [('jpeg', (images / f'{n}.jpg').read_bytes()) for n in range(5)]


def test_what_is_no_jpeg_is_made_one(audience, tmp_path):
    smooth = np.full((*SIZE, 3), (10, 100, 200), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.bmp'), smooth)
    audience.listen('image/compressed')
    audience.play(images=str(tmp_path), transport='compressed')
    audience.wait_for_end()
    (message,) = audience.heard['image/compressed']
    assert np.abs(decode(message).pixels.astype(int) - smooth).max() < 6


def test_a_video_is_played_at_its_own_rate(audience, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'a.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 5, (32, 24))
    for number in range(8):
        writer.write(np.full((24, 32, 3), 30 * number, np.uint8))
    writer.release()
    audience.listen('image', '/diagnostics')
    audience.play(video=str(tmp_path / 'a.avi'), rate_hz=0.0)
    audience.wait_for_end()
    assert len(audience.heard['image']) == 8
    first, *_, last = stamps(audience.heard['image'])
    assert 1.0 < (last - first) / 1e9 < 3.0  # 7 intervals of 0.2 s, if not all was late
    assert audience.status()['rate_hz'] == '5'


@pytest.mark.parametrize(
    ('parameters', 'focal_px', 'model'),
    [
        ({}, 32 / 2 / np.tan(np.radians(30)), 'plumb_bob'),
        ({'hfov_deg': 90.0}, 16.0, 'plumb_bob'),
        ({'hfov_deg': 0.0}, None, ''),
        ({'calibration': 'camera.yaml'}, 33.0, 'rational_polynomial'),
    ],
)
def test_the_calibration_is_as_asked_for(audience, images, parameters, focal_px, model):
    if 'calibration' in parameters:
        parameters['calibration'] = str(write_calibration(images.parent / 'camera.yaml', *SIZE))
    audience.listen('image', 'camera_info')
    audience.play(images=str(images), **parameters)
    audience.wait_for_end()
    assert len(audience.heard['camera_info']) == (5 if focal_px else 0)
    for message in audience.heard['camera_info']:
        assert (message.height, message.width) == SIZE
        assert message.k[0] == pytest.approx(focal_px)
        assert message.distortion_model == model


def write_calibration(path, height, width):
    path.write_text(f"""
image_width: {width}
image_height: {height}
camera_matrix: {{rows: 3, cols: 3, data: [33, 0, 16, 0, 33, 12, 0, 0, 1]}}
distortion_model: rational_polynomial
distortion_coefficients: {{rows: 1, cols: 8, data: [0, 0, 0, 0, 0, 0, 0, 0]}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [33, 0, 16, 0, 0, 33, 12, 0, 0, 0, 1, 0]}}
""")
    return path


# -- when it publishes ---------------------------------------------------------------------------


def test_it_waits_until_it_is_listened_to(audience, images):
    audience.listen('/diagnostics')
    audience.play(images=str(images))
    audience.wait(lambda: audience.status().get('state') == 'waiting', 'its first word')
    time.sleep(1.0)
    assert audience.status()['images_sent'] == '0'
    audience.listen('image')
    audience.wait_for_end()
    assert len(audience.heard['image']) == 5


def test_it_need_not_wait(audience, images):
    audience.listen('/diagnostics')
    audience.play(images=str(images), wait_for_subscribers=0)
    audience.wait_for_end()
    audience.wait(lambda: audience.status().get('images_sent') == '5', 'all to be sent')


def test_a_loop_ends_when_its_time_is_over(audience, images):
    audience.listen('image')
    audience.play(images=str(images), loop=True, duration_s=0.5)
    audience.wait_for_end()
    heard = audience.heard['image']
    assert len(heard) > 5
    np.testing.assert_array_equal(decode(heard[5]).pixels, decode(heard[0]).pixels)
    assert stamps(heard)[-1] - stamps(heard)[0] < 0.6e9


def test_late_moments_are_counted_and_not_bunched(audience, images, monkeypatch):
    """While the third image is prepared, ten moments pass; their images come one by one."""
    prepare = ImageShow._prepare

    def slow(self, image):
        if image is not None and image.number == 2:
            time.sleep(1.0)
        return prepare(self, image)

    monkeypatch.setattr(ImageShow, '_prepare', slow)
    audience.listen('image', '/diagnostics')
    audience.play(images=str(images), rate_hz=10.0)
    audience.wait_for_end()
    assert len(audience.heard['image']) == 5
    audience.wait(lambda: audience.status().get('state') == 'finished', 'the last word')
    assert int(audience.status()['moments_missed']) >= 8
    assert audience.status()['level'] == 1


def test_stamps_are_of_the_simulated_clock_where_that_is_used(audience, images):
    audience.listen('image')
    clock = audience.node.create_publisher(Clock, '/clock', 10)
    audience.play(images=str(images), use_sim_time=True, rate_hz=10.0)
    now_ms = 1000
    ticks = set()
    deadline = time.monotonic() + PATIENCE_S
    while not audience.exit_codes:
        assert time.monotonic() < deadline
        now_ms += 20
        ticks.add(now_ms * 10**6)
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now_ms * 10**6, 10**9)
        clock.publish(message)
        time.sleep(0.01)
    found = stamps(audience.heard['image'])
    assert len(found) == 5
    assert set(found) <= ticks
    assert min(np.diff(found)) >= 60 * 10**6  # simulated, 100 ms apart but for the grain


# -- bad input -----------------------------------------------------------------------------------


def test_an_unreadable_image_is_skipped_counted_and_named(audience, images, capfd):
    (images / '2.jpg').write_bytes(b'\xff\xd8\xff no jpeg')
    audience.listen('image', '/diagnostics')
    audience.play(images=str(images))
    audience.wait_for_end()
    audience.wait(lambda: audience.status().get('state') == 'finished', 'the last word')
    status = audience.status()
    assert len(audience.heard['image']) == 4
    assert (status['level'], status['images_sent'], status['images_skipped']) == (1, '4', '1')
    assert '2.jpg skipped' in capfd.readouterr().err


def test_all_files_breaking_while_it_loops_ends_it_with_a_failure(audience, images):
    audience.listen('image', '/diagnostics')
    audience.play(images=str(images), loop=True)
    audience.wait(lambda: audience.heard['image'], 'an image')
    for path in images.iterdir():
        path.write_bytes(b'')
    audience.wait(lambda: audience.exit_codes, 'the end')
    assert set(audience.exit_codes) == {1}
    audience.wait(lambda: audience.status().get('state') == 'failed', 'the last word')
    assert audience.status()['level'] == 2
    assert 'can be read' in audience.status()['message']


@pytest.mark.parametrize(
    ('parameters', 'error', 'text'),
    [
        ({}, ConfigError, 'nothing to play is given'),
        ({'images': 'IMAGES', 'video': '/a.mp4'}, ConfigError, 'both given'),
        ({'source': 'video', 'images': 'IMAGES'}, ConfigError, 'video is empty'),
        ({'source': 'camera'}, ConfigError, 'allowed are auto, images, video'),
        ({'images': 'IMAGES', 'rate_hz': -1.0}, ConfigError, 'rate_hz = -1.0'),
        ({'images': 'IMAGES', 'rate_h': 1.0}, ConfigError, "did you mean 'rate_hz'"),
        ({'source': 'scene', 'hfov_deg': 50.0}, ConfigError, 'a scene brings its own'),
        ({'source': 'scene', 'scene_options': 'rian=1'}, ConfigError, "did you mean 'rain'"),
        ({'images': 'IMAGES', 'seed': 1}, ConfigError, 'images has none'),
        ({'images': '/nowhere'}, SourceError, 'No such file'),
        ({'video': '/nowhere.mp4'}, SourceError, 'no such file'),
        ({'images': 'IMAGES', 'calibration': '/nowhere.yaml'}, CalibrationError, 'No such file'),
        ({'images': 'IMAGES', 'calibration': 'OTHER'}, CalibrationError, '640x480 px, 0.jpg has'),
    ],
)
def test_what_cannot_be_played_is_refused(audience, images, parameters, error, text):
    other = write_calibration(images.parent / 'other.yaml', 480, 640)
    replaced = {'IMAGES': str(images), 'OTHER': str(other)}
    values = {name: replaced.get(value, value) for name, value in parameters.items()}
    with pytest.raises(error, match=text) as caught:
        audience.make(**values)
    assert '\n' not in str(caught.value)


# -- as a process --------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the player as a process; it ends with the test."""
    running = []

    def start(**parameters):
        arguments = [a for n, v in parameters.items() for a in ('-p', f'{n}:={v}')]
        command = [sys.executable, '-m', 'mfaranet_ros.ros', 'player_node', '--ros-args']
        process = subprocess.Popen(
            [*command, *arguments], stderr=subprocess.PIPE, text=True, env=os.environ
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('wait_for_subscribers', [0, 1])
def test_it_ends_at_once_while_waiting_and_while_playing(
    start, images, number, wait_for_subscribers
):
    process = start(images=images, loop='true', wait_for_subscribers=wait_for_subscribers)
    assert 'at 10 Hz on /image' in process.stderr.readline()
    time.sleep(1.0)
    assert process.poll() is None
    begin = time.monotonic()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    assert time.monotonic() - begin < PROMISE_S


def test_a_missing_folder_is_one_clear_line_and_a_failure(start):
    process = start(images='/nowhere')
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert said == 'error: /nowhere: No such file or directory; give a folder of images\n'
