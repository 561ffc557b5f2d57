# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The table of all faults: what goes wrong, what the package answers, and which test holds it.

A fault is either a case of its own, a function under `@fault(...)` that test_faults.py calls, or
is `covered(...)` by a test elsewhere, whose id must exist. docs/tables.py writes the table into
docs/reliability.md.
"""

import ast
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AREAS = (
    'weights', 'images', 'calibration', 'tf', 'stamps', 'clocks', 'qos', 'disk', 'memory',
    'device', 'signals', 'parameters', 'peers', 'bags',
)  # fmt: skip
CASES = 'test/faults/test_faults.py::test_fault'


@dataclass(frozen=True)
class Fault:
    """One row. name: unique. what, answer: for the table. test: its id. check: the case itself."""

    area: str
    name: str
    what: str
    answer: str
    test: str
    check: Callable | None = None


_FAULTS = {}


def _add(new):
    if new.area not in AREAS:
        raise ValueError(f'{new.name}: no area {new.area}')
    if new.name in _FAULTS:
        raise ValueError(f'two faults are named {new.name}')
    _FAULTS[new.name] = new


def fault(area, what, answer):
    """Add the decorated case, a function of a Kit, under its own name."""

    def add(check):
        name = check.__name__
        _add(Fault(area, name, what, answer, f'{CASES}[{name}]', check))
        return check

    return add


def covered(area, name, what, answer, test):
    """Add a fault that a test elsewhere holds; test: its file and name."""
    _add(Fault(area, name, what, answer, test))


@lru_cache(maxsize=1)
def faults():
    """Return all faults by name, those of an area together."""
    for module in sorted(Path(__file__).parent.glob('*_faults.py')):
        if not module.stem.startswith('test_'):
            importlib.import_module(f'faults.{module.stem}')
    return dict(sorted(_FAULTS.items(), key=lambda item: AREAS.index(item[1].area)))


def exists(test):
    """Return whether the function of a test id is in its file."""
    path, _, name = test.partition('::')
    file = ROOT / path
    if not file.is_file():
        return False
    tree = ast.parse(file.read_text(encoding='utf-8'))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return name.partition('[')[0].rpartition('::')[2] in names


def refused(kind, words, function, *arguments):
    """Check that a call raises this error, in one line that holds these words."""
    with pytest.raises(kind) as raised:
        function(*arguments)
    text = str(raised.value)
    assert words in text, text
    assert '\n' not in text
    return raised.value
