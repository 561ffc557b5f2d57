# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Imports point down the floors of the house, never up, never sideways within a floor."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'mfaranet_ros'

FLOORS = (
    ('cli',),
    ('ros', 'benchmark', 'training', 'quantisation', 'curation'),
    ('evaluation',),
    ('data', 'adaptive'),
    ('pipeline',),
    ('monitoring',),
    ('backends', 'geometry', 'scenes'),
    ('models',),
    ('core',),
)
"""The rooms, from the roof to the ground."""

ROS_PACKAGES = frozenset({
    'rclpy', 'rcl_interfaces', 'lifecycle_msgs', 'builtin_interfaces', 'rosgraph_msgs', 'std_msgs',
    'std_srvs', 'sensor_msgs', 'nav_msgs', 'geometry_msgs', 'diagnostic_msgs', 'vision_msgs',
    'tf2_ros', 'sensor_msgs_py', 'cv_bridge', 'ament_index_python', 'rpyutils',
})  # fmt: skip
TORCH = frozenset({'torch', 'safetensors', 'triton'})

FORBIDDEN_OUTSIDE = {
    'core': ROS_PACKAGES | TORCH,
    'geometry': ROS_PACKAGES | TORCH,
    'scenes': ROS_PACKAGES | TORCH,
    'data': ROS_PACKAGES | TORCH,
    'monitoring': ROS_PACKAGES | TORCH,
}
"""What a room must not import from outside; ROS packages belong to `ros` alone."""

INSIDE = {'evaluation': ('report', 'runs', 'metrics')}
"""The floors inside a room that has several."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
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


def room_of(name):
    """Return the room of one of our modules; '' for the public face itself."""
    parts = name.split('.')
    return parts[1] if len(parts) > 1 and parts[1] in FLOOR_OF else ''


def goes_up_inside(name, imported):
    """Say whether a module imports from a higher part of its own room."""
    parts = INSIDE.get(room_of(name), ())
    ours, theirs = ([*each.split('.'), '', ''][2] for each in (name, imported))
    return ours in parts and theirs in parts and parts.index(theirs) < parts.index(ours)


def forbidden(source, name):
    """Return what a module imports although its room may not."""
    room, wrong = room_of(name), set()
    outside = () if room == 'ros' else FORBIDDEN_OUTSIDE.get(room, ROS_PACKAGES)
    for imported in imports_of(source, name):
        top = imported.split('.')[0]
        if top == PACKAGE:
            other = room_of(imported)
            if other == room and goes_up_inside(name, imported):
                wrong.add(imported)
            if other in ('', room) or room == '':
                continue
            if FLOOR_OF[other] <= FLOOR_OF[room]:
                wrong.add(imported)
        elif top in outside:
            wrong.add(imported)
    return wrong


@pytest.mark.parametrize('name', NAMES)
def test_module_imports_only_what_lies_below(name):
    path = ROOT.joinpath(*name.split('.')).with_suffix('.py')
    assert name == f'{PACKAGE}.__init__' or room_of(name), f'{name} is in no room of FLOORS'
    wrong = sorted(forbidden(path.read_text(encoding='utf-8'), name))
    assert not wrong, f'{name} may not import {wrong}'


@pytest.mark.parametrize(
    ('name', 'source', 'wrong'),
    [
        ('mfaranet_ros.models.x', 'import mfaranet_ros.pipeline', 'mfaranet_ros.pipeline'),
        ('mfaranet_ros.core.x', 'from mfaranet_ros import models', 'mfaranet_ros.models'),
        ('mfaranet_ros.core.x', 'from ..models import y', 'mfaranet_ros.models.y'),
        ('mfaranet_ros.core.x', 'from .. import pipeline', 'mfaranet_ros.pipeline'),
        ('mfaranet_ros.geometry.x', 'def f():\n  import torch', 'torch'),
        ('mfaranet_ros.backends.x', 'from rclpy.node import Node', 'rclpy.node.Node'),
        ('mfaranet_ros.benchmark.x', 'from mfaranet_ros.ros import y', 'mfaranet_ros.ros.y'),
        (
            'mfaranet_ros.data.x',
            'from mfaranet_ros.adaptive.y import z',
            'mfaranet_ros.adaptive.y.z',
        ),
        (
            'mfaranet_ros.evaluation.metrics.x',
            'from mfaranet_ros.evaluation.runs.y import z',
            'mfaranet_ros.evaluation.runs.y.z',
        ),
    ],
)
def test_forbidden_import_is_found(name, source, wrong):
    assert forbidden(source, name) == {wrong}


@pytest.mark.parametrize(
    ('name', 'source'),
    [
        ('mfaranet_ros.models.x', 'from .layers import y\nimport torch.nn\nimport os.path'),
        ('mfaranet_ros.cli.x', 'from mfaranet_ros import __version__'),
        ('mfaranet_ros.ros.x', 'from sensor_msgs.msg import Image'),
        ('mfaranet_ros.cli.x', 'from mfaranet_ros.ros import y'),
    ],
)
def test_allowed_import_is_not(name, source):
    assert not forbidden(source, name)


NEED_TRITON = f'{PACKAGE}.backends.kernels.'
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
    command = [sys.executable, '-c', BLOCKED_IMPORTS, ' '.join(ROS_PACKAGES), *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_everything_outside_ros_imports_without_ros():
    names = [name.removesuffix('.__init__') for name in NAMES if room_of(name) != 'ros']
    if not find_spec('triton'):
        names = [name for name in names if not name.startswith(NEED_TRITON)]
    done = import_without_ros(names)
    assert done.returncode == 0, done.stderr
    assert len(names) > 20


def test_a_ros_import_would_be_blocked():
    done = import_without_ros([f'{PACKAGE}.ros.transport_node'])
    assert 'rclpy is blocked here' in done.stderr
