"""Who may import whom: the table of the design, held against the imports of every module."""

import ast
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'mfaranet_ros'

VALUES = {'errors', 'frame', 'labels'}
LIBRARY = {'models', 'pipeline', 'scenes', 'bags', 'evaluation', 'training', 'export', 'benchmark'}


@dataclass(frozen=True)
class Layer:
    """What the modules of one layer may import: of ours, and from outside."""

    ours: frozenset[str]
    outside: frozenset[str]


def layer(ours, outside=''):
    return Layer(frozenset(ours), frozenset(outside.split()))


ROS_PACKAGES = (
    'rclpy rcl_interfaces lifecycle_msgs builtin_interfaces rosgraph_msgs std_msgs std_srvs '
    'sensor_msgs nav_msgs geometry_msgs diagnostic_msgs vision_msgs tf2_ros sensor_msgs_py '
    'cv_bridge ament_index_python'
)
TRAINING = layer({'models', 'pipeline', 'evaluation', 'scenes', 'labels', 'errors'}, 'torch onnx')

DESIGN = {
    **dict.fromkeys(VALUES, layer((), 'numpy')),
    'models': layer({'labels', 'errors'}, 'torch safetensors'),
    'pipeline': layer({'models'} | VALUES, 'torch numpy cv2'),
    'scenes': layer({'frame', 'labels'}, 'numpy cv2'),
    'bags': layer({'errors', 'frame'}, 'rosbags'),
    'evaluation': layer({'pipeline', 'bags', 'labels', 'errors'}, 'numpy matplotlib'),
    'training': TRAINING,
    'export': TRAINING,
    'benchmark': TRAINING,
    'ros': layer({'pipeline', 'scenes', 'bags'} | VALUES, ROS_PACKAGES),
    'tools': layer(LIBRARY | VALUES, 'tqdm'),
}
"""The table of the design, section 2; a layer may always import itself."""

PICTURES = layer({'frame'}, 'numpy cv2')

BEYOND = {
    # They name each other: the label sets raise our errors.
    **dict.fromkeys(VALUES, layer(VALUES)),
    # How a setting is declared, which the pipeline and the drive share.
    'settings': layer({'errors'}),
    'scenes': layer({'errors', 'settings'}),
    # Recorded pictures and what belongs to them, which the player and the tools share.
    'playback': layer(VALUES | {'pipeline', 'bags', 'scenes'}, 'numpy cv2 yaml'),
    'ros': layer({'playback'}, 'numpy'),
    'tools': layer({'playback', 'settings', '__init__'}, 'numpy cv2 torch'),
    # The pipeline takes frames; windows and zooms are of the network, not of the pipeline.
    'evaluation': layer({'frame'}, 'torch cv2'),
    'training': PICTURES,
    'export': PICTURES,
    'benchmark': PICTURES,
    # The metadata of a bag, and what is in files that rosbags refuses because they end early.
    'bags': layer((), 'numpy cv2 yaml zstandard lz4'),
    # An optional runtime, imported in its backend where it is needed; Triton in its kernels.
    'pipeline': layer({'settings'}, 'onnx onnxruntime triton'),
}
"""What the table leaves unsaid, and why."""


def joined(name):
    parts = [table[name] for table in (DESIGN, BEYOND) if name in table]
    ours = frozenset({name}).union(*(part.ours for part in parts))
    return Layer(ours, frozenset().union(*(part.outside for part in parts)))


LAYERS = {'__init__': layer(()), **{name: joined(name) for name in {**DESIGN, **BEYOND}}}

MODULES = sorted((ROOT / PACKAGE).rglob('*.py'))
NAMES = ['.'.join(path.relative_to(ROOT).with_suffix('').parts) for path in MODULES]


def imports_of(source, name):
    """Return the full names that a module's text imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                base = '.'.join([*name.split('.')[: -node.level], *filter(None, [base])])
            found |= {f'{base}.{alias.name}' for alias in node.names}
    return found


def is_ours(imported):
    return imported.split('.')[0] == PACKAGE


def layer_of(imported):
    """Return the layer of one of our names; a name of the package itself is of `__init__`."""
    parts = imported.split('.')
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else '__init__'


def forbidden(source, name):
    """Return what a module imports although its layer may not."""
    allowed, wrong = LAYERS[layer_of(name)], set()
    for imported in imports_of(source, name):
        top = imported.split('.')[0]
        if is_ours(imported):
            wrong |= {imported} if layer_of(imported) not in allowed.ours else set()
        elif top not in allowed.outside and top not in sys.stdlib_module_names:
            wrong.add(imported)
    return wrong


@pytest.mark.parametrize('name', NAMES)
def test_module_keeps_to_its_layer(name):
    path = ROOT.joinpath(*name.split('.')).with_suffix('.py')
    assert name.split('.')[1] in LAYERS, f'{name} is in no layer: give it a row in LAYERS'
    wrong = sorted(forbidden(path.read_text(encoding='utf-8'), name))
    assert not wrong, f'{name} may not import {wrong}'


@pytest.mark.parametrize(
    ('name', 'source', 'wrong'),
    [
        ('mfaranet_ros.models.x', 'import mfaranet_ros.pipeline', 'mfaranet_ros.pipeline'),
        ('mfaranet_ros.models.x', 'from mfaranet_ros import frame', 'mfaranet_ros.frame'),
        ('mfaranet_ros.models.x', 'from ..frame import Frame', 'mfaranet_ros.frame.Frame'),
        ('mfaranet_ros.models.x', 'from .. import pipeline', 'mfaranet_ros.pipeline'),
        ('mfaranet_ros.models.x', 'def f():\n  import cv2', 'cv2'),
        ('mfaranet_ros.pipeline.backends.x', 'from rclpy.node import Node', 'rclpy.node.Node'),
        ('mfaranet_ros.tools.x', 'from mfaranet_ros.ros import y', 'mfaranet_ros.ros.y'),
        ('mfaranet_ros.ros.x', 'from mfaranet_ros.models import y', 'mfaranet_ros.models.y'),
        ('mfaranet_ros.errors', 'import torch', 'torch'),
    ],
)
def test_forbidden_import_is_found(name, source, wrong):
    assert forbidden(source, name) == {wrong}


@pytest.mark.parametrize(
    ('name', 'source'),
    [
        ('mfaranet_ros.models.x', 'from .layers import y\nimport torch.nn\nimport os.path'),
        ('mfaranet_ros.tools.x', 'from mfaranet_ros import __version__'),
        ('mfaranet_ros.ros.x', 'from sensor_msgs.msg import Image'),
    ],
)
def test_allowed_import_is_not(name, source):
    assert not forbidden(source, name)


NEED_TRITON = f'{PACKAGE}.pipeline.backends.kernels.'
"""Nobody imports these where there is no Triton."""

BLOCKED_IMPORTS = """
import importlib, sys

class NoRos:
    def find_spec(self, name, path=None, target=None):
        top = name.partition('.')[0]
        if top in blocked or top.endswith('_msgs'):
            raise ModuleNotFoundError(f'{name} is blocked here', name=name)

blocked = set(sys.argv[1].split())
sys.meta_path.insert(0, NoRos())
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def import_without_ros(names):
    command = [sys.executable, '-c', BLOCKED_IMPORTS, ROS_PACKAGES, *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_everything_outside_ros_imports_without_ros():
    names = [name.removesuffix('.__init__') for name in NAMES if layer_of(name) != 'ros']
    if not find_spec('triton'):
        names = [name for name in names if not name.startswith(NEED_TRITON)]
    done = import_without_ros(names)
    assert done.returncode == 0, done.stderr
    assert len(names) > 20


def test_a_ros_import_would_be_blocked():
    done = import_without_ros([f'{PACKAGE}.ros.transport_node'])
    assert 'rclpy is blocked here' in done.stderr
