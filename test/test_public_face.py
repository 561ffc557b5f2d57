# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The public face: what `from mfaranet_ros import ...` gives, and that it costs little."""

import ast
import subprocess
import sys
from importlib.resources import files

import pytest

import mfaranet_ros

HEAVY = ('cv2', 'numpy', 'rclpy', 'rosbags', 'torch')
"""What importing the package must not import."""

IMPORT = f"""
import sys, time
start = time.perf_counter()
import mfaranet_ros
print(f'{{(time.perf_counter() - start) * 1e3:.1f}} ms')
print(*(name for name in {HEAVY} if name in sys.modules))
"""


def test_import_is_light():
    run = subprocess.run(
        [sys.executable, '-c', IMPORT], capture_output=True, text=True, check=True
    )
    duration, heavy = run.stdout.splitlines()
    print(f'import mfaranet_ros: {duration}')
    assert heavy == ''


def test_all_is_sorted_and_each_name_exists():
    names = mfaranet_ros.__all__
    assert list(names) == sorted(
        names, key=lambda name: (not name.isupper(), name.islower(), name)
    )
    assert len(set(names)) == len(names)
    assert set(names) <= set(dir(mfaranet_ros))
    for name in names:
        assert getattr(mfaranet_ros, name) is not None


def test_type_checkers_see_what_is_imported():
    tree = ast.parse(files(mfaranet_ros).joinpath('__init__.py').read_text(encoding='utf-8'))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: getattr(sys.modules[statement.module], alias.name)
        for statement in block.body
        for alias in statement.names
        if getattr(mfaranet_ros, alias.name) is not None
    }
    assert sorted(seen) == sorted(mfaranet_ros.__all__)
    assert all(value is getattr(mfaranet_ros, name) for name, value in seen.items())
    assert files(mfaranet_ros).joinpath('py.typed').is_file()


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="'mfaranet_ros' has no attribute 'Segmentor'"):
        mfaranet_ros.Segmentor  # noqa: B018
