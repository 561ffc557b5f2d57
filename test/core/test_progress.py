# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Progress: a line a minute in a log, a bar on a terminal."""

import io

from mfaranet_ros.core.progress import Progress, track


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_a_line_a_minute():
    now_s, log = [0.0], io.StringIO()
    with Progress(300, 'frame', 'drawing', stream=log, clock=lambda: now_s[0]) as progress:
        for second in range(1, 181):
            now_s[0] = second
            progress.update()
        progress.say('a warning')
    assert log.getvalue().splitlines() == [
        'drawing: 60 of 300 frames, 1 min',
        'drawing: 120 of 300 frames, 2 min',
        'drawing: 180 of 300 frames, 3 min',
        'a warning',
    ]


def test_without_a_total_the_text_is_the_line():
    now_s, log = [0.0], io.StringIO()
    progress = Progress(0, 'row', stream=log, clock=lambda: now_s[0])
    for now_s[0] in (1.0, 61.0):
        progress.describe(f'at {now_s[0]:g}')
    assert log.getvalue() == 'at 61, 1 min\n'


def test_a_terminal_gets_a_bar():
    screen = Terminal()
    with Progress(4, 'frame', 'drawing', stream=screen) as progress:
        for _ in range(4):
            progress.update()
        progress.describe('done')
    assert 'drawing' in screen.getvalue()
    assert '4/4' in screen.getvalue()


def test_items_are_tracked():
    assert list(track('abc', 3, 'letter')) == ['a', 'b', 'c']
