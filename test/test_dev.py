# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What ./dev does and in which environment, with a python that installs nothing but writes down
what it was asked."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
VERBS = ('demo', 'test', 'check', 'soak', 'fuzz', 'bench', 'run', 'help')

FAKE_PYTHON = """#!/bin/bash
echo "python $* domain=$ROS_DOMAIN_ID" >>"$FAKE_LOG"
case "$*" in
  '-c import sys'*) echo "${FAKE_VERSION:-3 12}" ;;
  '-c import rclpy'*) exit "${FAKE_NO_RCLPY:-0}" ;;
  '-m venv'*)
    mkdir -p "${@: -1}/bin"
    cp "$0" "${@: -1}/bin/python"
    cp "$0" "${@: -1}/bin/mfaranet"
    ;;
  '-m pip'*) exit "${FAKE_PIP_FAILS:-0}" ;;
  '- '*) cat >/dev/null ;;
esac
"""


class Checkout:
    """A copy of what ./dev reads, and the shell it is called from."""

    def __init__(self, folder):
        self.root = folder / 'checkout'
        self.bin = folder / 'bin'
        self.log = folder / 'log'
        self.root.mkdir()
        for name in ('dev', 'setup.py', 'setup.cfg', 'package.xml', 'pyproject.toml'):
            shutil.copy(ROOT / name, self.root)
        for name in ('config', 'launch', 'mfaranet_ros/ros/scripts'):
            shutil.copytree(ROOT / name, self.root / name, symlinks=True)
        self.put('python3', FAKE_PYTHON)
        self.put('uname', '#!/bin/sh\necho Linux x86_64\n')
        self.put('stat', "#!/bin/sh\necho '1048576 * 4096'\n")
        self.env = {'PATH': f'{self.bin}:/usr/bin:/bin', 'FAKE_LOG': str(self.log)}

    def put(self, name, text):
        self.bin.mkdir(exist_ok=True)
        (self.bin / name).write_text(text, encoding='utf-8')
        (self.bin / name).chmod(0o755)

    def dev(self, *arguments, **env):
        """Call ./dev, forget what was asked of python before, and return what came of it."""
        self.log.write_text('', encoding='utf-8')
        command = [str(self.root / 'dev'), *arguments]
        env = {**self.env, **env}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)

    def environment(self, *arguments, **env):
        """Return the environment in which `./dev run` runs a command."""
        done = self.dev('run', *arguments, 'env', '-0', **env)
        assert done.returncode == 0, done.stderr
        return dict(line.split('=', 1) for line in done.stdout.split('\0') if line)

    @property
    def asked(self):
        """What python was asked, one line for each call."""
        return self.log.read_text(encoding='utf-8').splitlines()

    def asked_for(self, text):
        return [line for line in self.asked if text in line]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def used(checkout):
    """A checkout whose .venv is made."""
    assert checkout.dev('run', 'true').returncode == 0
    return checkout


def is_one_error(done):
    """Whether it ended with code 2 and one clear line as its last."""
    lines = done.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith('error: ')]
    return done.returncode == 2 and len(errors) == 1 and lines[-1] == errors[0]


# -- verbs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('arguments', [(), ('help',), ('--help',), ('-h',)])
def test_help_lists_the_verbs_and_installs_nothing(checkout, arguments):
    done = checkout.dev(*arguments)
    assert done.returncode == 0
    for verb in VERBS:
        assert f'  {verb} ' in done.stdout
    assert not checkout.asked


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (
            ('tset',),
            "unknown verb 'tset': choose from demo, test, check, soak, fuzz, bench, run, help",
        ),
        (('run',), 'give a command'),
        (('run', '--distro', 'jazzy'), 'give a command'),
        (('check', '--oldest'), '--oldest: only for ./dev test'),
        (('test', '--distro'), "--distro ''"),
        (('test', '--distro', '../x'), "--distro '../x'"),
        (('test', '--distro', 'foxy'), "no wheels are known for ROS 'foxy'"),
    ],
)
def test_wrong_call_is_refused_in_one_line(checkout, arguments, said):
    done = checkout.dev(*arguments)
    assert is_one_error(done)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(checkout.root.glob('.venv*'))


@pytest.mark.parametrize(
    ('arguments', 'call'),
    [
        (('test', '-x', 'test/a.py'), '-m pytest -p pytest_cov -p xdist -x test/a.py'),
        (('test', '--distro', 'kilted', '-x'), '-m pytest -p pytest_cov -p xdist -x'),
        (('demo', '--seconds', '3'), 'demo --seconds 3'),
        (('bench', 'transport', '--distro=kilted'), 'benchmark transport'),
        (('soak', '--minutes', '1'), '-m soak --minutes 1'),
        (('fuzz', '--minutes', '1'), '-m fuzz --minutes 1'),
        (('run', 'python', '--distro', 'x'), '--distro x'),
    ],
)
def test_verb_passes_its_arguments_on(used, arguments, call):
    done = used.dev(*arguments)
    assert done.returncode == 0, done.stderr
    assert used.asked[-1].partition(' domain=')[0].strip() == f'python {call}'


def test_exit_code_is_that_of_the_command(used):
    assert used.dev('run', 'sh', '-c', 'exit 7').returncode == 7


def test_run_stays_in_the_folder_of_the_caller(used, tmp_path):
    command = ['./checkout/dev', 'run', 'pwd']
    done = subprocess.run(command, cwd=tmp_path, env=used.env, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path)


def test_tests_have_a_domain_of_their_own(used):
    domains = set()
    for _ in range(3):
        used.dev('test', ROS_DOMAIN_ID='0')
        (line,) = used.asked_for('-m pytest')
        domains.add(int(line.rpartition('=')[2]))
    assert len(domains) > 1
    assert all(1 <= domain <= 101 for domain in domains)


# -- the environment is made once ----------------------------------------------------------------


@pytest.mark.parametrize(
    ('arguments', 'folder', 'extra'),
    [((), '.venv', 'ros-kilted'), (('--distro', 'jazzy'), '.venv-jazzy', 'ros-jazzy')],
)
def test_first_use_installs_and_the_second_does_not(checkout, arguments, folder, extra):
    first = checkout.dev('run', *arguments, 'true')
    assert first.returncode == 0, first.stderr
    assert checkout.asked_for(f'-m venv {checkout.root / folder}')
    (installed,) = checkout.asked_for(f'[{extra},test]')
    assert 'torch==' in installed
    assert 'setuptools' in installed
    second = checkout.dev('run', *arguments, 'true')
    assert second.returncode == 0
    assert not checkout.asked
    assert not second.stderr


@pytest.mark.parametrize('name', ['setup.py', 'pyproject.toml', 'package.xml'])
def test_changed_dependencies_are_installed_into_what_is_there(used, name):
    with (used.root / name).open('a', encoding='utf-8') as file:
        file.write('\n')
    assert used.dev('run', 'true').returncode == 0
    assert used.asked_for('-m pip install')
    assert not used.asked_for('-m venv')
    used.dev('run', 'true')
    assert not used.asked


def test_moved_checkout_is_installed_again(used):
    moved = used.root.with_name('moved')
    used.root.rename(moved)
    used.root = moved
    used.dev('run', 'true')
    assert used.asked_for(f'--editable {moved}')


def test_failed_installation_is_said_and_started_anew(checkout):
    failed = checkout.dev('run', 'echo', 'ran', FAKE_PIP_FAILS='1')
    assert is_one_error(failed)
    assert 'ran' not in failed.stdout
    half = checkout.root / '.venv' / 'half'
    half.touch()
    again = checkout.dev('run', 'echo', 'ran')
    assert again.stdout == 'ran\n'
    assert checkout.asked_for('-m venv')
    assert not half.exists()


def test_interrupted_update_is_started_anew(used):
    with (used.root / 'setup.py').open('a', encoding='utf-8') as file:
        file.write('\n')
    assert is_one_error(used.dev('run', 'true', FAKE_PIP_FAILS='1'))
    assert used.dev('run', 'true').returncode == 0
    assert used.asked_for('-m venv')


def test_environment_made_by_hand_is_completed(checkout):
    mine = checkout.root / '.venv' / 'bin'
    mine.mkdir(parents=True)
    shutil.copy(checkout.bin / 'python3', mine / 'python')
    assert checkout.dev('run', 'true').returncode == 0
    assert checkout.asked_for('-m pip install')
    assert not checkout.asked_for('-m venv')


def test_environment_whose_python_is_gone_is_started_anew(used):
    (used.root / '.venv' / 'bin' / 'python').unlink()
    assert used.dev('run', 'true').returncode == 0
    assert used.asked_for('-m venv')


@pytest.mark.parametrize(
    ('env', 'said'),
    [
        ({'FAKE_VERSION': '3 9'}, 'python3 is Python 3.9, at least 3.10 is needed'),
        ({'FAKE_VERSION': '2 7'}, 'python3 is Python 2.7, at least 3.10 is needed'),
        ({'PYTHON': 'python3.99'}, "'python3.99' does not run"),
    ],
)
def test_unfit_python_is_refused(checkout, env, said):
    done = checkout.dev('run', 'true', **env)
    assert is_one_error(done)
    assert said in done.stderr
    assert not (checkout.root / '.venv').exists()


def test_machine_without_wheels_is_refused(checkout):
    checkout.put('uname', '#!/bin/sh\necho Linux aarch64\n')
    done = checkout.dev('run', 'true')
    assert is_one_error(done)
    assert 'source a ROS first' in done.stderr


def test_all_tests_run_on_two_cores(used):
    used.dev('test')
    assert '-n 2 --dist loadfile' in used.asked_for('-m pytest')[0]
    used.dev('test', 'test/core')
    assert '-n 2' not in used.asked_for('-m pytest')[0]


def test_oldest_versions_have_an_environment_without_ros(checkout):
    done = checkout.dev('test', '--oldest', PYTHON='python3', **SOURCED)
    assert done.returncode == 0, done.stderr
    assert checkout.asked_for(f'-m venv {checkout.root / ".venv-oldest"}')
    assert checkout.asked_for('.venv-oldest/oldest.txt')
    assert not checkout.asked_for('ros-')
    assert 'test/core' in checkout.asked_for('-m pytest')[0]
    checkout.dev('test', '--oldest', 'test/core/test_a.py', PYTHON='python3')
    assert 'test/geometry' not in checkout.asked_for('-m pytest')[0]


# -- what it runs in -----------------------------------------------------------------------------


def test_commands_find_the_environment_first(used):
    env = used.environment()
    assert env['VIRTUAL_ENV'] == str(used.root / '.venv')
    assert env['PATH'].split(':')[0] == str(used.root / '.venv' / 'bin')


@pytest.mark.parametrize(
    ('arguments', 'variable', 'other'),
    [
        ((), 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        (
            ('--distro', 'jazzy'),
            'FASTRTPS_DEFAULT_PROFILES_FILE',
            'FASTDDS_DEFAULT_PROFILES_FILE',
        ),
    ],
)
def test_profile_is_set_unless_the_user_has_one(checkout, arguments, variable, other):
    shipped = str(checkout.root / 'config' / 'fastdds.xml')
    env = checkout.environment(*arguments)
    assert env[variable] == shipped
    assert other not in env
    for mine in (variable, other):
        env = checkout.environment(*arguments, **{mine: '/mine.xml'})
        assert env[mine] == '/mine.xml'
        assert shipped not in env.values()
    nested = checkout.environment(*arguments, **{other: shipped})
    assert nested[variable] == shipped
    assert other not in nested


def test_profile_is_not_set_where_shared_memory_is_small(used):
    used.put('stat', "#!/bin/sh\necho '16384 * 4096'\n")  # the 64 MB of a container
    done = used.dev('run', 'env')
    assert 'only 64 MB are free in /dev/shm' in done.stderr
    assert 'PROFILES_FILE' not in done.stdout


def test_discovery_stays_on_this_machine_unless_the_user_says_otherwise(used):
    assert used.environment()['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    env = used.environment(ROS_AUTOMATIC_DISCOVERY_RANGE='SUBNET')
    assert env['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SUBNET'


def test_libraries_of_another_environment_are_left(used):
    """As when `./dev test --distro jazzy` is called from a process of the Kilted wheels."""
    packages = '/other/.venv/lib/python3.11/site-packages'
    paths = ['/opt/cuda/lib', f'{packages}/ros_rcl.libs', '/other/.venv/lib', '/other/.venv2/lib']
    env = used.environment(
        _ROS_WHEELS_BOOTSTRAP_COMPLETE='1', LD_LIBRARY_PATH=':'.join(paths), PYTHONPATH='/other'
    )
    assert env['LD_LIBRARY_PATH'] == '/opt/cuda/lib:/other/.venv2/lib'
    assert '_ROS_WHEELS_BOOTSTRAP_COMPLETE' not in env
    assert 'PYTHONPATH' not in env


def test_mark_without_libraries_is_left(used):
    env = used.environment(_ROS_WHEELS_BOOTSTRAP_COMPLETE='1')
    assert '_ROS_WHEELS_BOOTSTRAP_COMPLETE' not in env
    env = used.environment(_ROS_WHEELS_BOOTSTRAP_COMPLETE='1', LD_LIBRARY_PATH='/opt/cuda/lib')
    assert env['LD_LIBRARY_PATH'] == '/opt/cuda/lib'


# -- a sourced ROS -------------------------------------------------------------------------------

SOURCED = {
    'ROS_DISTRO': 'jazzy',
    'AMENT_PREFIX_PATH': '/ws/install:/opt/ros/jazzy',
    'PYTHONPATH': '/opt/ros/jazzy/lib/python3.12/site-packages',
    'LD_LIBRARY_PATH': '/opt/ros/jazzy/lib:/opt/cuda/lib:/opt/ros/jazzy2/lib',
    'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp',
}


@pytest.mark.parametrize('arguments', [(), ('--distro', 'jazzy')])
def test_sourced_ros_is_used(checkout, arguments):
    env = checkout.environment(*arguments, **SOURCED)
    venv = checkout.root / '.venv-sourced-jazzy'
    assert env['VIRTUAL_ENV'] == str(venv)
    assert env['AMENT_PREFIX_PATH'] == f'{venv}:{SOURCED["AMENT_PREFIX_PATH"]}'
    assert env['PYTHONPATH'] == f'{checkout.root}:{SOURCED["PYTHONPATH"]}'
    for name in ('LD_LIBRARY_PATH', 'ROS_DISTRO', 'RMW_IMPLEMENTATION'):
        assert env[name] == SOURCED[name]


def test_sourced_ros_is_seen_by_its_environment_and_gets_no_wheels(checkout):
    checkout.dev('run', 'true', **SOURCED)
    assert checkout.asked_for('-m venv --system-site-packages')
    assert not checkout.asked_for('ros-jazzy')
    assert checkout.asked_for('setup.py --quiet install_data')


@pytest.mark.parametrize(
    ('arguments', 'env', 'folder'),
    [
        (('--distro', 'kilted'), {}, '.venv'),
        ((), {'FAKE_NO_RCLPY': '1', 'PYTHON': 'python3'}, '.venv'),
        (('--distro', 'jazzy'), {'FAKE_NO_RCLPY': '1', 'PYTHON': 'python3'}, '.venv-jazzy'),
    ],
)
def test_other_ros_than_the_sourced_is_not_mixed_with_it(checkout, arguments, env, folder):
    inside = checkout.environment(*arguments, **{**SOURCED, **env})
    assert inside['VIRTUAL_ENV'] == str(checkout.root / folder)
    assert inside['LD_LIBRARY_PATH'] == '/opt/cuda/lib:/opt/ros/jazzy2/lib'
    for name in ('AMENT_PREFIX_PATH', 'PYTHONPATH', 'ROS_DISTRO', 'RMW_IMPLEMENTATION'):
        assert name not in inside


def test_sourced_ros_whose_python_is_another_is_said(checkout):
    done = checkout.dev('run', 'true', **{**SOURCED, 'FAKE_NO_RCLPY': '1', 'PYTHON': 'python3'})
    assert 'ROS jazzy is sourced, but python3 cannot import its rclpy' in done.stderr


def test_scripts_are_executable():
    scripts = sorted((ROOT / 'mfaranet_ros/ros/scripts').iterdir())
    assert [path.name for path in scripts] == ['player_node', 'rig_node', 'segmentation_node']
    for path in (ROOT / 'dev', ROOT / '.ci/run', *scripts):
        assert os.access(path, os.X_OK), path


def test_what_ci_runs_exists():
    named = re.findall(r'\btest/[\w/.]+', (ROOT / '.ci/run').read_text(encoding='utf-8'))
    core = re.search(r'^core_tests=\(([^)]+)\)', (ROOT / 'dev').read_text(encoding='utf-8'), re.M)
    assert named
    for path in [*named, *core[1].split()]:
        assert (ROOT / path).exists(), path
