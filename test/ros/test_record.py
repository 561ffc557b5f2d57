# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recording: every message byte for byte, losses named, and a whole file however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mfaranet_ros.core.errors import ConfigError, OutputError
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.ros.bag_recorder import BagRecorder
from mfaranet_ros.ros.sequence import UNSUPPORTED, Gaps

RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Studio:
    """A recorder in this process, and someone who talks."""

    def __init__(self, vehicle, path):
        self.vehicle = vehicle
        self.path = path
        self.exit_codes = []

    def publisher(self, topic, kind=String, qos=RELIABLE):
        return self.vehicle.node.create_publisher(kind, topic, qos)

    def make(self, **parameters):
        values = {'out': str(self.path), **parameters}
        return BagRecorder(
            self.exit_codes.append,
            context=self.vehicle.context,
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )

    def record(self, *publishers, **parameters):
        """Start a recorder and wait until it listens to these publishers."""
        recorder = self.make(**parameters)
        self.vehicle.host(recorder)
        for publisher in publishers:
            self.vehicle.wait_until(publisher.get_subscription_count, 'the recorder')
        time.sleep(0.3)  # both sides know of each other, the middleware needs a moment more
        return recorder

    def wait_for(self, recorder, topic, count):
        self.vehicle.wait_until(
            lambda: (
                topic in recorder._heard
                and recorder._recorder.tallies.get(topic)
                and recorder._recorder.tallies[topic].written >= count
            ),
            f'{count} messages of {topic}',
        )


@pytest.fixture
def studio(vehicle, tmp_path):
    return Studio(vehicle, tmp_path / 'bag')


def last_said(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_messages_are_written_byte_for_byte_also_those_from_before(studio, capsys):
    talk, kept = studio.publisher('/talk'), studio.publisher('/kept', qos=LATCHED)
    kept.publish(String(data='from before'))
    recorder = studio.record(talk, kept, topics=['/talk', '/kept'])
    words = [String(data=f'word {number}') for number in range(20)]
    for word in words:
        talk.publish(word)
    studio.wait_for(recorder, '/talk', 20)
    studio.wait_for(recorder, '/kept', 1)
    recorder.close()
    with open_bag(studio.path) as bag:
        written = [bytes(item.raw) for item in bag.messages(['/talk'])]
        (latched,) = bag.messages(['/kept'])
    assert written == [serialize_message(word) for word in words]
    assert latched.message.data == 'from before'
    assert not studio.exit_codes
    said = last_said(capsys)
    assert (said['state'], said['topics']['/talk']['written']) == ('written', 20)


def test_outputs_of_the_node_are_recorded_and_its_inputs_if_wanted(studio):
    vehicle = studio.vehicle
    vehicle.start()
    recorder = studio.record(inputs=True, duration_s=1000.0)
    vehicle.wait_until(lambda: recorder._complete_s, 'the topics of the node')
    vehicle.matched()
    vehicle.wait_until(lambda: vehicle.camera.get_subscription_count() == 2, 'both to listen')
    sent = []
    for number in range(3):
        sent.append(vehicle.send())
        studio.wait_for(recorder, '/segmentation/mask', number + 1)
    studio.wait_for(recorder, '/segmentation/drivable/mask', 3)
    recorder.close()
    with open_bag(studio.path) as bag:
        for topic in ('/image', '/segmentation/mask', '/segmentation/drivable/mask'):
            assert [item.stamp_ns for item in bag.messages([topic])] == sent
        assert '/rosout' not in bag.topics


def test_what_finds_no_room_is_named_and_the_end_is_3(studio, capsys):
    camera = studio.publisher('/camera', Image)
    recorder = studio.record(camera, topics=['/camera'], queue_mb=0.001)
    small, large = Image(), Image(data=bytes(2000))
    for message in (small, large, small):
        camera.publish(message)
    studio.wait_for(recorder, '/camera', 2)
    recorder.close()
    assert studio.exit_codes == [3]
    told = last_said(capsys)['topics']['/camera']
    assert (told['written'], told['lost_by_overrun']) == (2, 1)


@pytest.mark.parametrize(
    ('sequence', 'single', 'missed'),
    [
        ([5, 6, 7], True, [0, 0, 0]),
        ([5, 9, 10], True, [0, 3, 0]),
        ([5, 9], False, [0, 0]),
        ([9, 1, 2], True, [0, 0, 0]),  # another publisher took over
        ([UNSUPPORTED, UNSUPPORTED + 5], True, [0, 0]),
    ],
)
def test_gaps_in_the_numbers_are_losses(sequence, single, missed):
    gaps = Gaps(lambda: single)
    found = [gaps.missed({'publication_sequence_number': number}) for number in sequence]
    assert found == missed


def test_a_topic_that_does_not_come_is_an_error_that_lists_those_there_are(studio, capfd):
    studio.publisher('/talk')
    recorder = studio.record(topics=['mask'], wait_s=0.5)
    studio.vehicle.wait_until(lambda: studio.exit_codes, 'the end')
    recorder.close()
    assert studio.exit_codes == [2]
    text = capfd.readouterr().err
    assert 'no publisher of /segmentation/mask within 0.5 s; existing topics: ' in text
    assert '/talk' in text
    assert not studio.path.exists()


def test_what_is_there_is_not_replaced_unasked(studio):
    studio.make().close()
    studio.path.mkdir()
    with pytest.raises(OutputError, match='exists'):
        studio.make()
    with pytest.raises(ConfigError, match='out is empty'):
        studio.make(out='')


def test_what_comes_before_the_first_clock_is_logged_by_it(studio):
    talk, clock = studio.publisher('/talk'), studio.publisher('/clock', Clock)
    recorder = studio.record(talk, topics=['/talk'], use_sim_time=True)
    talk.publish(String(data='early'))
    studio.vehicle.wait_until(lambda: recorder._early, 'the early word')
    studio.vehicle.wait_until(clock.get_subscription_count, 'the recorder to follow the clock')
    message = Clock()
    message.clock.sec = 7
    clock.publish(message)
    studio.vehicle.wait_until(
        lambda: recorder.get_clock().now().nanoseconds == 7 * 10**9, 'the clock to be heard'
    )
    talk.publish(String(data='late'))
    studio.wait_for(recorder, '/talk', 2)
    recorder.close()
    with open_bag(studio.path) as bag:
        found = [(item.time_ns, item.message.data) for item in bag.messages()]
    assert found == [(7 * 10**9, 'early'), (7 * 10**9, 'late')]


def test_ctrl_c_makes_the_file_whole(studio, tmp_path):
    talk = studio.publisher('/talk')
    arguments = [f'--out={studio.path}', '--topics', '/talk', f'--json={tmp_path}/figures.json']
    process = subprocess.Popen(
        [sys.executable, '-m', 'mfaranet_ros.cli', 'record', *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    try:
        studio.vehicle.wait_until(talk.get_subscription_count, 'the recorder', timeout_s=60.0)
        time.sleep(0.5)
        for number in range(10):
            talk.publish(String(data=f'{number}'))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, '')
    assert out.endswith('10 messages, complete\n')
    with open_bag(studio.path) as bag:
        assert [item.message.data for item in bag.messages()] == [str(n) for n in range(10)]
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['topics']['/talk']['written'] == 10
