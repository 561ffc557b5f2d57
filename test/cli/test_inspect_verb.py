# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet inspect` shows a file, writes a draft, and makes a wrong one visible."""

import json

import cv2
import numpy as np
import pytest
from fixtures.tiny_onnx import tiny_network

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.specification_file import read_specification


@pytest.fixture
def folder(tmp_path):
    tiny_network(tmp_path / 'net.onnx')
    noise = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'street.png'), cv2.resize(noise, (64, 48)))
    return tmp_path


def inspect(folder, *more):
    return main(['inspect', str(folder / 'net.onnx'), *map(str, more)])


def test_it_shows_the_file_and_writes_a_draft(folder, capsys):
    assert inspect(folder) == 0
    said = capsys.readouterr().out
    assert 'input  image 1x3x48x64 float32' in said
    assert 'scores: logits, NCHW' in said
    assert 'please specify: input.channels: rgb or bgr' in said
    draft = read_specification(folder / 'net.yaml')
    assert (draft.input.size, len(draft.label_set)) == ((48, 64), 3)
    assert inspect(folder) == 0
    assert 'fits the file' in capsys.readouterr().out


@pytest.mark.parametrize(
    'wrong',
    ['channels: bgr', 'mean: [0.485, 0.456, 0.406]', 'range: [-1, 1]'],
)
def test_what_nothing_can_refuse_is_seen_in_the_image(folder, wrong):
    inspect(folder)
    beside = folder / 'net.yaml'
    draft, seen = beside.read_text(), []
    cv2.imwrite(str(folder / 'wide.png'), cv2.imread(str(folder / 'street.png'))[:24])
    for text in (draft, draft.replace('input:\n', f'input:\n  {wrong}\n')):
        beside.write_text(text)
        out = folder / f'{len(seen)}.png'
        assert inspect(folder, '--image', folder / 'wide.png', '--out', out) == 0
        seen.append(cv2.imread(str(out)))
    assert seen[0].shape == (24, 128, 3)
    assert (seen[0][:, :64] == seen[1][:, :64]).all()  # the image
    assert (seen[0][:, 64:] != seen[1][:, 64:]).any(axis=-1).mean() > 0.05


def test_compare_gives_the_agreement(folder, capsys):
    inspect(folder)
    reference = np.full((48, 64), 255, np.uint8)
    reference[:24] = 1
    cv2.imwrite(str(folder / 'labels.png'), reference)
    report = folder / 'report.json'
    given = ['--image', folder / 'street.png', '--out', folder / 'o.png', '--compare',
             folder / 'labels.png', '--json', report]  # fmt: skip
    assert inspect(folder, *given) == 0
    found = json.loads(report.read_text())
    assert 0 <= found['agreement']['all'] == found['agreement']['class 1'] <= 1
    assert sum(found['shares'].values()) == pytest.approx(1)
    assert 'of the labeled pixels are equal' in capsys.readouterr().out


def test_a_preset_is_a_beginning(folder, capsys):
    tiny_network(folder / 'net.onnx', names=('input', 'out'), size=None)
    assert inspect(folder, '--preset', 'nav2_tutorial') == 0
    assert read_specification(folder / 'net.yaml').label_set.names[1] == 'sidewalk'
    assert inspect(folder, '--preset', 'nav2_tutorial') == 2
    assert 'exists: give --overwrite' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (['--compare', 'x.png'], '--compare needs --image'),
        (['--image', 'none.png'], 'none.png is no image'),
        (['--preset', 'yolo'], "unknown preset 'yolo': choose from mmsegmentation, nav2_tutorial"),
        (['--max-mb', '0.0001'], 'model.max_file_mb allows 0.0001'),
    ],
)
def test_bad_input_is_one_line(folder, capsys, given, said):
    assert inspect(folder, *given) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count('\n') == 1
