# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every source file names its copyright and licence; the linters of ROS pass where they are."""

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


def needs(name):
    """Skip without a linter of ROS."""
    return pytest.mark.skipif(
        importlib.util.find_spec(name) is None,
        reason=f'{name} is not installed (it comes with ROS, not from PyPI)',
    )


PYTHON = [str(ROOT / folder) for folder in FOLDERS]


@needs('ament_copyright')
def test_copyright(monkeypatch):
    from ament_copyright import get_licenses, main, parser
    from ament_copyright.licenses import LicenseEntryPoint

    # It knows licences by their whole text only; ours are named by their SPDX identifier.
    name = LICENCE.removeprefix('# ')
    licenses = {**get_licenses(), 'spdx': LicenseEntryPoint(name, 'Apache-2.0', [name], [], [])}
    for module in (main, parser):
        monkeypatch.setattr(module, 'get_licenses', lambda: licenses)
    assert main.main(argv=PYTHON) == 0


@needs('ament_pep257')
def test_pep257():
    from ament_pep257.main import main

    # As in pyproject.toml; ruff also checks that public names have a docstring.
    ignored = [*(f'D10{digit}' for digit in range(8)), 'D402', 'D415']
    arguments = ['--convention', 'google', '--add-ignore', *ignored, '--', *PYTHON[:-1]]
    assert main(argv=arguments) == 0


@needs('ament_flake8')
def test_flake8():
    from ament_flake8.main import main_with_errors

    code, errors = main_with_errors(argv=['--config', str(ROOT / 'setup.cfg'), *PYTHON])
    assert code == 0, '\n'.join(errors)


@needs('ament_xmllint')
@pytest.mark.skipif(shutil.which('xmllint') is None, reason='xmllint is not installed')
def test_xmllint():
    from ament_xmllint.main import main

    assert main(argv=[str(ROOT / 'package.xml'), str(ROOT / 'config')]) == 0
