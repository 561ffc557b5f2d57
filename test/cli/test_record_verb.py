# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The verb `record` without ROS: its arguments, and how it tells what was lost."""

import pytest

from mfaranet_ros.cli import main as command
from mfaranet_ros.cli import record
from mfaranet_ros.data.bags.recorder import RecordingStatus, TopicStatus


def topic(written, on_the_way=0, by_overrun=0):
    return TopicStatus('std_msgs/msg/String', written, on_the_way, by_overrun)


def figures(**topics):
    return RecordingStatus('written', '/bag', topics)


def test_the_status_survives_the_pipe():
    status = figures(mask=topic(30, 4, 1))
    assert RecordingStatus.from_json(status.to_json()) == status


def test_complete_is_said():
    *_, last = record.table(figures(mask=topic(30), grid=topic(12))).splitlines()
    assert last == '/bag: 42 messages, complete'


def test_losses_are_said_topic_by_topic():
    text = record.table(figures(mask=topic(30, 4), grid=topic(12, 0, 2)))
    rows = {row.split()[0]: row.split()[1:] for row in text.splitlines()}
    assert (rows['mask'], rows['grid']) == (['30', '4', '0'], ['12', '0', '2'])
    assert text.endswith('42 messages, 6 lost')
    assert record.describe(figures(mask=topic(30, 4))) == 'written: 1 topics, 30 messages, 4 lost'


def test_nothing_is_said():
    assert record.table(figures(mask=topic(0))).endswith(
        'no message arrived, so nothing was written'
    )


@pytest.mark.parametrize('option', ['--duration=-1', '--wait=-0.5'])
def test_negative_times_are_refused(option, capsys):
    assert command.main(['record', '--out', '/bag', option]) == 2
    assert 'must not be negative' in capsys.readouterr().err
