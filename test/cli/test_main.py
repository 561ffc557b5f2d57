# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command: its table of verbs, its help, and how it ends."""

import importlib
import subprocess
import sys

import pytest

import mfaranet_ros
from mfaranet_ros.cli import main as command
from mfaranet_ros.core.errors import ConfigError

VERBS = sorted(command.VERBS)


@pytest.fixture
def verb(monkeypatch):
    """Add a verb whose `main` the test gives."""

    def add(main, add_arguments=lambda parser: None):
        module = type(sys)('mfaranet_ros.cli.of_test')
        module.main, module.add_arguments = main, add_arguments
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(command.VERBS, 'test', command.Verb(module.__name__, 'is a test'))

    return add


@pytest.mark.parametrize('name', VERBS)
def test_verb_has_what_the_command_needs(name):
    module = importlib.import_module(command.VERBS[name].module)
    assert callable(module.add_arguments)
    assert callable(module.main)
    assert module.__doc__


@pytest.mark.parametrize('name', VERBS)
def test_verb_has_help(name, capsys):
    with pytest.raises(SystemExit) as end:
        command.main([name, '--help'])
    assert end.value.code == 0
    assert f'mfaranet {name}' in capsys.readouterr().out


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(['--help'])
    assert end.value.code == 0
    out = capsys.readouterr().out
    for name, verb in command.VERBS.items():
        assert f'{name:<12}{verb.summary}' in out


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(['--version'])
    assert end.value.code == 0
    assert mfaranet_ros.__version__ in capsys.readouterr().out


@pytest.mark.parametrize('arguments', [[], ['--nonsense']])
def test_no_verb_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 2
    assert 'error: ' in capsys.readouterr().err


def test_unknown_verb_names_the_nearest(capsys):
    assert command.main(['benchmrk']) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: unknown verb 'benchmrk'")
    assert "did you mean 'benchmark'?" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize('code', [0, 1])
def test_exit_code_is_that_of_the_verb(verb, code):
    verb(lambda args: code)
    assert command.main(['test']) == code


def test_verb_gets_its_arguments(verb):
    given = []

    def add_arguments(parser):
        parser.add_argument('--number', type=int)

    verb(lambda args: given.append(args.number) or 0, add_arguments)
    assert command.main(['test', '--number', '3']) == 0
    assert given == [3]


@pytest.mark.parametrize(
    ('raised', 'code', 'said'),
    [
        (ConfigError('rate = 0: must be above 0'), 2, 'error: rate = 0: must be above 0\n'),
        (KeyboardInterrupt(), 130, ''),
    ],
)
def test_error_becomes_an_exit_code(verb, capsys, raised, code, said):
    def fail(args):
        raise raised

    verb(fail)
    assert command.main(['test']) == code
    assert capsys.readouterr().err == said


def test_only_the_called_verb_is_imported():
    code = (
        'import sys\n'
        'from mfaranet_ros.cli.main import main\n'
        'try:\n'
        "    main(['--version'])\n"
        'finally:\n'
        "    late = {'torch', 'cv2', 'numpy', 'rclpy', 'tqdm'} & set(sys.modules)\n"
        '    assert not late, late\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
