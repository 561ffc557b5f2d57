# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network file runs where torch is not installed: scored, measured, in the node, in Python."""

import importlib.util
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip('onnxruntime', reason='ONNX Runtime is not installed')

from fixtures.tiny_onnx import tiny_network

from mfaranet_ros.cli.main import main

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('torch', 'torchvision'):
            raise ModuleNotFoundError(f'{name} is blocked', name=name)

sys.meta_path.insert(0, Blocked())
"""


def run(script, *arguments):
    """Run Python without torch; return what it printed."""
    command = [sys.executable, '-c', BLOCKED + script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


VERB = """
from mfaranet_ros.cli.main import main
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Return a folder with a network file, and images with ground truth."""
    path = tmp_path_factory.mktemp('vehicle')
    network = tiny_network(path / 'net.onnx')
    assert main(['inspect', str(network)]) == 0
    rng = np.random.default_rng(0)
    for name in ('images', 'labels'):
        (path / name).mkdir()
    for number in range(3):
        image = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (64, 48))
        cv2.imwrite(str(path / 'images' / f'{number}.png'), image)
        cv2.imwrite(str(path / 'labels' / f'{number}.png'), rng.integers(0, 3, (48, 64), np.uint8))
    return path


def given(folder):
    images, labels = folder / 'images', folder / 'labels'
    return '--weights', folder / 'net.onnx', '--images', images, '--ground-truth', labels


def test_it_is_evaluated_with_the_same_figures(folder, tmp_path):
    for name, start in (('with', main), ('without', lambda argv: run(VERB, *argv))):
        out = tmp_path / f'{name}.json'
        start([*map(str, ('evaluate', *given(folder), '--set', 'runtime.backend=onnx',
                          '--json', out, '--out', tmp_path / name))])  # fmt: skip
    with_torch, without = (
        json.loads((tmp_path / f'{name}.json').read_text()) for name in ('with', 'without')
    )
    assert without['scores'] == with_torch['scores']
    assert without['versions']['torch'] == 'not used'


def test_it_is_measured(folder, tmp_path):
    out = tmp_path / 'a.json'
    run(VERB, 'benchmark', *given(folder), '--backends', 'onnx,openvino', '--rounds', 1,
        '--turn', 1, '--json', out)  # fmt: skip
    found = json.loads(out.read_text())
    measured = [one['backend'] for one in found['results']]
    assert measured[:2] == ['reference', 'onnx']
    assert len(measured) + len(found['failures']) == 3


def test_python_runs_it(folder):
    printed = run(
        """
from mfaranet_ros import Segmenter
import numpy as np
with Segmenter(weights=sys.argv[1]) as segmenter:
    print(segmenter(np.zeros((48, 64, 3), np.uint8)).labels.shape, 'torch' in sys.modules)
""",
        folder / 'net.onnx',
    )
    assert '(48, 64) False' in printed


NODE = """
import rclpy
from rclpy.parameter import Parameter
from mfaranet_ros.ros.segmentation_node import SegmentationNode
rclpy.init()
values = {'model.weights': sys.argv[1], 'runtime.device': 'cpu', 'autostart': False}
overrides = [Parameter(name, value=value) for name, value in values.items()]
node = SegmentationNode(print, parameter_overrides=overrides)
print(node.trigger_configure().name, node.trigger_activate().name, 'torch' in sys.modules)
node.trigger_deactivate()
node.trigger_cleanup()
node.destroy_node()
rclpy.shutdown()
"""


@pytest.mark.skipif(not importlib.util.find_spec('rclpy'), reason='rclpy is not installed')
def test_the_node_runs_it(folder):
    assert 'SUCCESS SUCCESS False' in run(NODE, folder / 'net.onnx')


def test_our_own_weights_say_what_is_missing(tmp_path):
    command = [sys.executable, '-c', BLOCKED + VERB, 'evaluate', '--images', str(tmp_path),
               '--out', str(tmp_path / 'out')]  # fmt: skip
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert 'torch' in done.stderr
    assert 'Traceback' not in done.stderr
