# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The public face: what `from mfaranet_ros import ...` gives, and that it costs little."""

import ast
import enum
import inspect
import subprocess
import sys
import textwrap
from importlib.resources import files
from pathlib import Path

import pytest
from test_docstrings import lacks

import mfaranet_ros

SIGNATURES = Path(__file__).parent / 'fixtures' / 'public_face.txt'
"""The signatures of this version; a change of a line is a change for users."""

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


def test_signatures_are_those_of_this_version():
    assert list(signatures()) == SIGNATURES.read_text(encoding='utf-8').splitlines()


def signatures():
    """Yield one line for each public callable: its parameters, `=` where one has a default."""
    for name in mfaranet_ros.__all__:
        value = getattr(mfaranet_ros, name)
        if inspect.isfunction(value):
            yield described(name, value)
        elif not inspect.isclass(value):
            yield name
        elif issubclass(value, enum.Enum):
            yield f'{name}: {", ".join(member.name for member in value)}'
        elif issubclass(value, Exception):
            yield f'{name}({value.__mro__[1].__name__})'
        else:
            yield described(name, value)
            for method, member in sorted(vars(value).items()):
                function = getattr(member, '__func__', member)
                if inspect.isfunction(function) and not method.startswith('_'):
                    yield described(f'{name}.{method}', getattr(value, method))
                elif isinstance(member, property):
                    yield f'{name}.{method}'


def described(name, function):
    parts, keywords = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keywords:
            parts.append('*')
            keywords = True
        stars = {parameter.VAR_KEYWORD: '**', parameter.VAR_POSITIONAL: '*'}
        given = '' if parameter.default is parameter.empty else '='
        parts.append(f'{stars.get(parameter.kind, "")}{parameter.name}{given}')
    return f'{name}({", ".join(parts)})'


def test_every_public_name_is_documented():
    gaps = [
        name
        for name in mfaranet_ros.__all__
        if callable(value := getattr(mfaranet_ros, name))
        and lacks(ast.parse(textwrap.dedent(inspect.getsource(value))).body[0], '')
    ]
    assert gaps == []
