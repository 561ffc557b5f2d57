# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every source file names its copyright and licence; the linters of ROS pass where they are."""

import importlib
import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ('docs', 'examples', 'launch', 'mfaranet_ros', 'test')
SOURCES = sorted(
    path
    for path in [*(ROOT.glob('*.py')), *(p for f in FOLDERS for p in (ROOT / f).rglob('*.py'))]
)
SCRIPTS = [ROOT / 'dev', ROOT / '.ci/run', *sorted((ROOT / 'mfaranet_ros/ros/scripts').iterdir())]

COPYRIGHT = '# Copyright 2026 The mfaranet_ros maintainers'
LICENCE = '# SPDX-License-Identifier: Apache-2.0'


def lacking():
    for path in [*SOURCES, *SCRIPTS]:
        lines = path.read_text(encoding='utf-8').splitlines()
        head = [line for line in lines if not line.startswith('#!')][:2]
        if head != [COPYRIGHT, LICENCE]:
            yield str(path.relative_to(ROOT))


def test_every_source_file_names_its_copyright_and_licence():
    assert len(SOURCES) > 100
    assert not list(lacking())


def linter(name):
    """Return the main function of a linter of ROS, or skip."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f'{name} is not installed (it comes with ROS, not from PyPI)')
    return importlib.import_module(f'{name}.main').main


PYTHON = [str(ROOT / folder) for folder in FOLDERS]


def test_pep257():
    main = linter('ament_pep257')
    # What ruff checks in pyproject.toml: google's convention, names that are public documented.
    ignored = [f'D10{digit}' for digit in range(8)]
    arguments = ['--convention', 'google', '--add-ignore', *ignored, '--', *PYTHON]
    assert main(argv=arguments) == 0


def test_flake8():
    linter('ament_flake8')
    errors = importlib.import_module('ament_flake8.main').main_with_errors(
        argv=['--config', str(ROOT / 'setup.cfg'), *PYTHON]
    )
    assert errors[0] == 0, '\n'.join(errors[1])


def test_xmllint():
    main = linter('ament_xmllint')
    if shutil.which('xmllint') is None:
        pytest.skip('xmllint is not installed')
    assert main(argv=[str(ROOT / 'package.xml'), str(ROOT / 'config')]) == 0
