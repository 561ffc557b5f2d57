# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Processes that fail or end before their time are said, in words."""

import queue
from types import SimpleNamespace

import pytest

from mfaranet_ros.core.errors import MfaranetError, ProcessError, SourceError
from mfaranet_ros.evaluation.runs import jobs
from mfaranet_ros.evaluation.runs.frame_log import Skipped


def collect(events, exitcode=None):
    """Take events as they come from one process."""
    waiting, taken = queue.Queue(), []
    for event in events:
        waiting.put(event)
    jobs._collect([SimpleNamespace(exitcode=exitcode)], waiting, taken.append)
    return taken


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(jobs, 'POLL_S', 0.01)


def test_events_are_handed_on_until_the_process_is_finished():
    event = Skipped('bag', 0, 'a', 'why')
    assert collect([event, event, jobs._Finished()]) == [event, event]


def test_a_process_that_ended_before_its_time_is_said():
    with pytest.raises(ProcessError, match=r'ended with code -9.*fewer --jobs.*--resume'):
        collect([], exitcode=-9)


@pytest.mark.parametrize(
    ('kind', 'raised'), [('SourceError', SourceError), ('UnknownNameError', MfaranetError)]
)
def test_an_error_of_a_process_is_raised_here(kind, raised):
    with pytest.raises(raised, match='no topic'):
        collect([jobs._Failure(kind, 'no topic')])
