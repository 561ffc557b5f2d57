# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo: what it refuses, what it leaves behind, and that it ends what it started."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_recording import grid, image, status, write_run

from mfaranet_ros.benchmark.demo_output import DemoOutput, Target, make_table
from mfaranet_ros.benchmark.live_run import AccuracyCounter, LiveRun
from mfaranet_ros.cli import demo
from mfaranet_ros.core.errors import ConfigError, OutputError, SourceError
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.video import VideoFile
from mfaranet_ros.scenes.camera import SceneCamera

FULL = Path('/dev/full')
PATIENCE_S = 120.0
FRAMES = 12

needs_ros = [
    pytest.mark.ros,
    pytest.mark.skipif(find_spec('rclpy') is None, reason='rclpy is not installed'),
]


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """A folder of small images and their ground truth."""
    folder = tmp_path_factory.mktemp('drive')
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    for number in range(FRAMES):
        pixels = np.random.default_rng(number).integers(0, 256, (96, 128, 3), np.uint8)
        cv2.imwrite(str(folder / 'images' / f'{number:03}.jpg'), pixels)
        cv2.imwrite(str(folder / 'labels' / f'{number:03}.png'), np.full((96, 128), 3, np.uint8))
    return folder / 'images'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Weights of a network that has learnt nothing."""
    import torch

    from mfaranet_ros.core.labels import get_label_set
    from mfaranet_ros.models import create_model, save_weights

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'net of noise.safetensors'
    model = create_model('mfaranet_resnet18', classes=11, scales=(2,))
    save_weights(model, path, label_set=get_label_set('camvid'))
    return path


def arguments(*given):
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return parser.parse_args([str(part) for part in given])


# -- before anything is started ------------------------------------------------------------------


def test_without_a_source_it_plays_the_drive_with_its_camera():
    play = demo.prepare(arguments('--seed', '3', '--scene', 'rain=0.5', '--camera', 'pitch=0.1'))
    assert (play.kind, play.rate_hz, len(play.source)) == ('scene', 10.0, 200)
    assert play.source.scene.camera == SceneCamera(pitch=0.1)
    assert play.player == {
        'source': 'scene', 'seed': 3, 'scene_options': 'rain=0.5', 'scene_camera': 'pitch=0.1',
        'rate_hz': 10.0, 'duration_s': 0.0,
    }  # fmt: skip
    assert (play.node['ground.extrinsics'], play.node['ground.pitch']) == ('parameters', 0.1)
    assert play.node['ground.z'] == SceneCamera().z


@pytest.mark.parametrize(
    ('given', 'error', 'text'),
    [
        (('--images', '/nowhere'), SourceError, '/nowhere'),
        (('--video', '/nowhere.mp4'), SourceError, r'/nowhere\.mp4'),
        (('--images', 'IMAGES', '--rate', '-1'), ConfigError, 'not be negative'),
        (('--images', 'IMAGES', '--seconds', '-1'), ConfigError, 'not be negative'),
        (('--images', 'IMAGES', '--scene', 'rain=1'), ConfigError, 'which --images replaces'),
        (('--calibration', 'a.yaml'), ConfigError, 'the synthetic scene brings its own'),
        (('--scene', 'rian=1'), ConfigError, "did you mean 'rain'"),
        (('--images', 'IMAGES', '--scales', '0,2'), ConfigError, r'model\.scales'),
        (('--images', 'IMAGES', '--set', 'ground.zz=1'), ConfigError, r"'ground\.z'"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_is_started(images, given, error, text):
    given = [images if part == 'IMAGES' else part for part in given]
    with pytest.raises(error, match=text):
        demo.prepare(arguments(*given))


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_started(images, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='give another --out DIR'):
        demo.main(arguments('--images', images, '--out', tmp_path / 'file' / 'out'))


def test_the_node_is_told_what_was_given_and_a_nominal_pose(images):
    given = ('--weights', 'a.safetensors', '--scales', '2', '--device', 'cpu', '--rate', '4')
    play = demo.prepare(arguments('--images', images, *given, '--set', 'latency.budget_ms=50'))
    assert play.node == {
        'model.weights': str(Path('a.safetensors').absolute()),
        'model.scales': (2,),
        'runtime.device': 'cpu',
        'latency.budget_ms': 50.0,
        'diagnostics.expected_rate_hz': 4.0,
        'ground.extrinsics': 'parameters',
        'ground.z': demo.NOMINAL_POSE['ground.z'],
    }
    assert play.player['rate_hz'] == 4.0
    assert 'nominal camera' in play.grid_note
    assert 'not measured' in play.grid_note
    given = demo.prepare(arguments('--images', images, '--set', 'ground.z=1.5'))
    assert given.node.get('ground.z', 1.5) == 1.5
    assert '1.5 m high' in given.grid_note


# -- what it leaves behind -----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path_factory):
    """A run of eight frames."""
    entries = [status('segmentation: model', name='mfaranet_resnet18', scales='2')]
    for second in range(1, 9):
        entries += [image('mask', second, 0), image('overlay', second, 20 * second), grid(second)]
    with open_bag(write_run(tmp_path_factory.mktemp('run') / 'run', entries)) as bag:
        yield LiveRun(bag)


def write_output(run, target):
    output, accuracy = DemoOutput(target, run, None), AccuracyCounter(None)
    for frame in run.frames():
        output.add(frame)
    output.finish({'input': {'kind': 'images'}}, accuracy, None)


def target_in(folder):
    return Target(folder, folder / 'figures.json', 1.0, 'nominal')


PRODUCTS = {'demo.mp4', 'figures.json', 'grid.png', 'overlay_1.png', 'overlay_2.png',
            'overlay_3.png'}  # fmt: skip


def test_everything_is_written_and_what_was_there_before_is_gone(tmp_path, run, capsys):
    (tmp_path / 'overlay_3.png').write_text('of yesterday')
    (tmp_path / 'demo.avi').write_text('of yesterday')
    (tmp_path / 'mine.png').write_text('not of the demo')
    target = target_in(tmp_path)
    target.clear()
    assert [path.name for path in tmp_path.iterdir()] == ['mine.png']
    write_output(run, target)
    assert {path.name for path in tmp_path.iterdir()} == {*PRODUCTS, 'mine.png'}
    assert len(list(VideoFile(tmp_path / 'demo.mp4'))) == 8
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert (figures['input'], figures['accuracy']) == ({'kind': 'images'}, None)
    assert figures['versions']['python']
    assert 'mfaranet_resnet18, scales 2' in capsys.readouterr().out


def test_the_table_has_every_figure(tmp_path):
    entries = (
        status('player: source', images_sent=10, images_skipped=1),
        status('segmentation: input', frames_received=9, frames_processed=6,
               dropped_replaced=2, dropped_stale=1),
        status('segmentation: latency', processing_time_ms_p50=8.5, processing_time_ms_p95=9.5,
               processing_time_ms_p99=9.9, processing_time_ms_max=12),
    )  # fmt: skip
    with open_bag(write_run(tmp_path / 'run', entries)) as bag:
        table = make_table(LiveRun(bag), AccuracyCounter(None), ['out/demo/demo.mp4'])
    for text in ('10 sent, 9 received, 6 processed, 3 dropped (replaced 2, stale 1), 1 lost',
                 '1 images that could not be read', 'out/demo/demo.mp4', 'p50 8.5'):  # fmt: skip
        assert text in table


@pytest.mark.skipif(not FULL.exists(), reason='there is no /dev/full')
@pytest.mark.parametrize('broken', sorted(PRODUCTS))
def test_what_cannot_be_written_costs_none_of_the_others(tmp_path, run, capsys, broken):
    (tmp_path / broken).symlink_to(FULL)
    with pytest.raises(OutputError, match=rf'cannot write .*{broken}: No space left') as caught:
        write_output(run, target_in(tmp_path))
    assert str(caught.value).count('cannot write') == 1
    table = capsys.readouterr().out
    for name in PRODUCTS - {broken}:
        assert (tmp_path / name).stat().st_size > 100
        assert str(tmp_path / name) in table


# -- the whole -----------------------------------------------------------------------------------


def start(*given):
    """Start the demo in a process of its own."""
    command = [sys.executable, '-m', 'mfaranet_ros.cli', 'demo', *map(str, given)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )


def children_of(process):
    """Return the ids of the processes a process has started."""
    return [
        int(pid)
        for task in Path(f'/proc/{process.pid}/task').iterdir()
        for pid in (task / 'children').read_text().split()
    ]


def is_running(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


class TestWhole:
    """Real processes over real DDS, with a network that has learnt nothing."""

    pytestmark = needs_ros

    def test_the_drive_is_compared_with_its_ground_truth_in_metres(self, weights, tmp_path):
        process = start(
            '--weights', weights, '--scales', '2', '--scene', 'rate_hz=4', '--seconds', '3',
            '--scene', 'labels=camvid',
            '--camera', 'width=128', '--camera', 'height=96', '--camera', 'fx=125',
            '--set', 'latency.max_age_ms=0', '--set', 'drivable.min_confidence=0',
            '--out', tmp_path,
        )  # fmt: skip
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        figures = json.loads((tmp_path / 'figures.json').read_text())
        assert figures['input']['kind'] == 'scene'
        assert figures['accuracy']['frames'] >= 3
        assert (figures['metric']['frames'] >= 1, figures['metric']['frames_unknown']) == (True, 0)
        assert figures['metric']['to_40_m']['boundary_vertices'] > 100
        assert 'occluded marked free' in out

    def test_it_plays_all_and_leaves_everything_behind(self, images, weights, tmp_path):
        process = start(
            '--images', images, '--weights', weights, '--scales', '2', '--rate', '4',
            '--labels', 'camvid', '--out', tmp_path, '--json', tmp_path / 'f.json',
        )  # fmt: skip
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        expected = PRODUCTS - {'figures.json'} | {'f.json'}
        assert {path.name for path in tmp_path.iterdir()} == expected
        figures = json.loads((tmp_path / 'f.json').read_text())
        frames = figures['frames']
        assert frames['sent'] == FRAMES
        assert frames['received'] == frames['processed'] + sum(frames['dropped'].values())
        assert frames['sent'] == frames['received'] + frames['lost']
        assert 3 <= frames['masks_recorded'] <= frames['processed']
        assert figures['accuracy']['frames'] >= 3
        assert figures['model']['scales'] == '2'
        assert figures['model']['weights'] == str(weights)
        assert len(figures['input']['sha256']) == 64
        for stage in ('processing_time', 'inference', 'capture_to_subscriber'):
            assert 0 < figures['latency_ms'][stage]['p50'] <= figures['latency_ms'][stage]['max']
        shown = list(VideoFile(tmp_path / 'demo.mp4'))
        assert frames['overlays_recorded'] <= len(shown) <= 2 * FRAMES
        assert 'mIoU' in out

    def test_interrupted_it_writes_what_there_is_and_ends_its_children(
        self, images, weights, tmp_path
    ):
        process = start(
            '--images', images, '--weights', weights, '--scales', '2', '--rate', '0.5',
            '--out', tmp_path,
        )  # fmt: skip
        assert 'the first mask has come' in process.stderr.readline()
        children = children_of(process)
        assert len(children) == 3
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, err
        assert 'not scored' in out  # nothing says what the ids beside the images mean
        assert not any(map(is_running, children))
        assert {'demo.mp4', 'overlay_1.png', 'figures.json'} <= {
            path.name for path in tmp_path.iterdir()
        }

    def test_a_child_that_cannot_start_ends_it_at_once_with_one_clear_line(self, images, tmp_path):
        process = start('--images', images, '--weights', '/nowhere.pth', '--out', tmp_path)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2
        assert 'Traceback' not in err
        *_, last = err.splitlines()
        assert last.startswith('error: segmentation ended with code 1')
        assert '/nowhere.pth' in last
        assert err.count('/nowhere.pth') == 1
        assert not list(tmp_path.iterdir())
