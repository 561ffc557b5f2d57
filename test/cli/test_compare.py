# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet compare`: two real reports, its verdict, and what it refuses."""

import json

import cv2
import numpy as np
import pytest

from mfaranet_ros.cli.main import main

MOCK = ('--set=runtime.backend=mock', '--set=runtime.precision=float32')


@pytest.fixture
def reports(tmp_path):
    """Reports of the mock on the same three images, once with a class ignored."""
    for folder in ('images', 'truth'):
        (tmp_path / folder).mkdir()
    for name in 'abc':
        image, ground_truth = np.zeros((48, 64, 3), np.uint8), np.full((48, 64), 3, np.uint8)
        ground_truth[: 20 + ord(name) % 5] = 1
        cv2.imwrite(str(tmp_path / 'images' / f'{name}.png'), image)
        cv2.imwrite(str(tmp_path / 'truth' / f'{name}.png'), ground_truth)
    given = [
        '--images',
        str(tmp_path / 'images'),
        '--ground-truth',
        str(tmp_path / 'truth'),
        *MOCK,
    ]
    for name, more in (
        ('a', ()),
        ('b', ('--set=drivable.min_confidence=0.2',)),
        ('c', ('--ignore=1',)),
    ):
        assert main(['evaluate', *given, *more, '--json', str(tmp_path / f'{name}.json')]) == 0
    return tmp_path


def test_verdict_figures_and_settings_are_told(reports, capsys):
    capsys.readouterr()
    given = [str(reports / 'a.json'), str(reports / 'b.json'), '--json', str(reports / 'x.json')]
    assert main(['compare', *given]) == 0
    text = capsys.readouterr().out
    assert 'The mean IoU of both is the same on every draw.' in text
    assert 'config: drivable.min_confidence: 0.5 / 0.2' in text
    assert '3 frames, 2000 draws of frames' in text
    found = json.loads((reports / 'x.json').read_text(encoding='utf-8'))
    assert found['differences'][0]['name'] == 'mean IoU'
    assert found['verdict'] in text


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('a.json', 'c.json'), 'the ground truth of 3 of 3 frames differs'),
        (('a.json', 'none.json'), 'none.json cannot be read'),
        (('a.json', 'images/a.png'), 'a.png is not JSON'),
        (('a.json', 'b.json', '--block', '0'), '--block 0'),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(reports, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(reports)
    capsys.readouterr()
    assert main(['compare', *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
