# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is declared is what is used, and what is installed is found by ROS and by the shell."""

import ast
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from email.parser import Parser
from importlib import util
from pathlib import Path

import pytest

import mfaranet_ros

ROOT = Path(__file__).resolve().parents[1]
NODES = {
    'player_node': 'ratee:=1.0',
    'rig_node': 'model.nam:=x',
    'segmentation_node': 'model.nam:=x',
}
"""The executables, and a parameter that each of them refuses."""

TESTS = ROOT / 'test'
OWN = {'mfaranet_ros', *(path.stem for path in (*TESTS.rglob('*.py'), *TESTS.iterdir()))}
TYPE_NAME = re.compile(r'([a-z][a-z0-9_]*)/(?:msg|srv|action)/[A-Z]\w*')

ROSDEP_KEYS = {
    'PIL': 'python3-pil',
    'av': 'python3-av',
    'cv2': 'python3-opencv',
    'hypothesis': 'python3-hypothesis',
    'jinja2': 'python3-jinja2',
    'jsonschema': 'python3-jsonschema',
    'matplotlib': 'python3-matplotlib',
    'numpy': 'python3-numpy',
    'tf2_ros': 'tf2_ros_py',  # the Python module of that package has the name of the C++ one
    'torch': 'python3-pytorch-pip',  # Ubuntu's own is older than what is needed
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
    'pytest': 'python3-pytest',
    'rosbags': 'python3-rosbags-pip',
}
"""The rosdep keys of what is imported, where they are not its name."""

WITHOUT_KEY = {'lz4', 'mcap', 'safetensors', 'zstandard'}
"""What rosdep does not know; package.xml says how to install it."""

NOT_DECLARED = {
    'autoware_internal_debug_msgs', 'ffmpeg_image_transport_msgs', 'foxglove_msgs', 'triton',
}  # fmt: skip
"""What is used where it is installed: with Autoware, for video, and with torch for CUDA."""

EXTRAS = {
    'onnx': {'onnx', 'onnxruntime'},
    'openvino': {'onnx', 'openvino'},
    'quantise': {'onnx', 'onnxruntime', 'openvino', 'nncf'},
    'parquet': {'pyarrow'},
    'ray': {'pyarrow', 'fsspec', 'ray'},
}
OPTIONAL = set().union(*EXTRAS.values())
"""What one backend or verb needs, imported late, and the extras of setup.py that bring it."""

REQUIREMENTS = {'PIL': 'pillow', 'cv2': 'opencv-python', 'yaml': 'PyYAML'}
"""The names on PyPI, where they are not those of the import."""


def python_files(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob('*.py'))]


def imported_by(paths):
    """Return the top-level names that files import, also late and as types of messages by name."""
    names = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split('.')[0])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                match = TYPE_NAME.fullmatch(node.value)
                names |= {match[1]} if match else set()
            elif isinstance(node, ast.Call):
                names |= late_import(node)
    return names - set(sys.stdlib_module_names) - OWN


def late_import(call):
    """Return the name that importlib.import_module('name') imports."""
    function = getattr(call.func, 'attr', '')
    constant = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ''
    return {constant.split('.')[0]} if function == 'import_module' and constant else set()


def started_by(paths):
    """Return the packages that launch files start: of Node(package='x') and ('ros2', 'bag')."""
    names = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.keyword) and node.arg == 'package':
                names |= {getattr(node.value, 'value', None)}
            elif isinstance(node, ast.Tuple):
                words = [getattr(item, 'value', None) for item in node.elts[:2]]
                names |= {f'ros2{words[1]}'} if words[:1] == ['ros2'] else set()
    return names - OWN - {None}


STARTED = started_by(
    [*python_files('launch'), ROOT / 'mfaranet_ros' / 'cli' / 'launch_arguments.py']
)
IMPORTED = imported_by(python_files('mfaranet_ros', 'launch'))
MANIFEST = ElementTree.parse(ROOT / 'package.xml').getroot()


def declared(tag):
    return {element.text for element in MANIFEST.iter(tag)}


LINTERS = {'ament_copyright', 'ament_flake8', 'ament_pep257', 'ament_xmllint'}
"""The linters of ROS, which test_style.py imports by name where a ROS is sourced."""


def keys_of(names):
    return {ROSDEP_KEYS.get(name, name) for name in names - WITHOUT_KEY - NOT_DECLARED - OPTIONAL}


def test_manifest_lists_what_is_imported():
    assert declared('exec_depend') == keys_of(IMPORTED | STARTED)


def test_manifest_lists_what_tests_import():
    tested = keys_of(imported_by(python_files('test')))
    assert declared('test_depend') == (tested | LINTERS) - declared('exec_depend')


def test_what_is_excused_is_used():
    assert IMPORTED >= WITHOUT_KEY | NOT_DECLARED | OPTIONAL


def test_versions_are_equal():
    changelog = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')
    newest = re.search(r'^(\d+\.\d+\.\d+) \(.+\)$', changelog, re.MULTILINE)[1]
    assert MANIFEST.findtext('version') == mfaranet_ros.__version__ == newest


def test_license_is_apache():
    assert MANIFEST.findtext('license') == 'Apache-2.0'
    text = (ROOT / 'LICENSE').read_text(encoding='utf-8')
    assert 'Apache License' in text
    assert 'Version 2.0, January 2004' in text


# -- what pip installs ---------------------------------------------------------------------------


def copy_of_sources(folder):
    """Copy what building reads, so that building leaves nothing in the source tree."""
    for name in ('mfaranet_ros', 'launch', 'config', 'resource'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith('.'):
            shutil.copy(path, folder)
    return folder


def run(*command, **kwargs):
    command = [str(part) for part in command]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **kwargs)


def run_well(*command, **kwargs):
    done = run(*command, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The wheel that pip builds."""
    folder = tmp_path_factory.mktemp('wheel')
    sources = copy_of_sources(tmp_path_factory.mktemp('sources'))
    pip = (sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation')
    run_well(*pip, '--wheel-dir', folder, sources)
    (path,) = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith('/METADATA'))
        return Parser().parsestr(archive.read(name).decode())


def required(metadata, extra=None):
    """Return the names of the requirements, of one extra or of none."""
    names = set()
    for requirement in metadata.get_all('Requires-Dist'):
        name, _, marker = requirement.partition(';')
        found = re.search(r'extra == [\'"]([\w-]+)', marker)
        if (found[1] if found else None) == extra:
            names.add(re.match(r'[\w-]+', name)[0])
    return names


def ros_names(names):
    """Return which of the imported names are packages of ROS (their key is their own name)."""
    keyed = set(ROSDEP_KEYS) - {'tf2_ros'}
    return names - keyed - WITHOUT_KEY - NOT_DECLARED - OPTIONAL


def test_requirements_are_what_is_imported(metadata):
    outside = IMPORTED - ros_names(IMPORTED) - NOT_DECLARED - OPTIONAL
    assert required(metadata) == {REQUIREMENTS.get(name, name) for name in outside}


# The wheels that come with that of rclpy, and what there is no wheel of: the node does without.
WITH_RCLPY = {
    'ament_index_python', 'builtin_interfaces', 'lifecycle_msgs', 'rcl_interfaces',
    'rosgraph_msgs',
}  # fmt: skip
WITHOUT_WHEEL = {
    'cv_bridge', 'launch', 'launch_ros', 'sensor_msgs_py', 'tf2_msgs', 'tf2_ros', 'vision_msgs',
}  # fmt: skip


@pytest.mark.parametrize('extra', ['ros-kilted', 'ros-jazzy'])
def test_extra_brings_the_ros_that_is_imported(metadata, extra):
    names = ros_names(IMPORTED) - WITH_RCLPY - WITHOUT_WHEEL
    assert required(metadata, extra) == {f'ros-{name.replace("_", "-")}' for name in names}


def test_extra_test_brings_what_tests_import(metadata):
    names = imported_by(python_files('test')) - (IMPORTED - OPTIONAL)
    names = {name for name in names - LINTERS if not name.endswith('_msgs')}
    names = (names | OPTIONAL) - {'ray'}  # large; test_ray.py skips without it
    assert names <= required(metadata, 'test')


@pytest.mark.parametrize('extra', EXTRAS)
def test_extra_brings_what_is_optional(metadata, extra):
    assert required(metadata, extra) == EXTRAS[extra]


def test_wheel_holds_what_ros_looks_for(wheel):
    """Launch files, settings and nodes are data of the wheel, which pip puts under its prefix."""
    shared = {f'share/mfaranet_ros/{path}' for path in ('package.xml', *files(*SHARED))}
    index = {'share/ament_index/resource_index/packages/mfaranet_ros'}
    executables = {f'lib/mfaranet_ros/{node}' for node in NODES}
    with zipfile.ZipFile(wheel) as archive:
        data = {
            name.partition('.data/data/')[2]: entry.external_attr >> 16
            for entry in archive.infolist()
            if '.data/data/' in (name := entry.filename)
        }
    assert set(data) == shared | index | executables
    assert all(data[name] & 0o111 == 0o111 for name in executables)


SHARED = ('launch', 'config', 'config/sros2')


def files(*folders):
    return {f'{folder}/{path.name}' for folder in folders for path in (ROOT / folder).iterdir()
            if path.is_file()}  # fmt: skip


def test_wheel_holds_the_modules_and_the_weights(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith('mfaranet_ros/')}
    modules = {str(path.relative_to(ROOT)) for path in python_files('mfaranet_ros')}
    assert held == modules | other_files()


def other_files():
    """Return what the package holds beside modules; the scripts are installed elsewhere."""
    paths = (path for path in (ROOT / 'mfaranet_ros').rglob('*') if path.is_file())
    return {
        str(path.relative_to(ROOT))
        for path in paths
        if path.suffix not in ('.py', '.pyc') and path.parent.name != 'scripts'
    }


# -- what can be started then --------------------------------------------------------------------


def environment(prefix, packages):
    """The environment of a shell in which an installation is sourced, with our Python."""
    path = [f'{prefix}/bin', str(Path(sys.executable).parent), os.environ['PATH']]
    return {
        **os.environ,
        'PATH': ':'.join(path),
        'PYTHONPATH': str(packages),
        'AMENT_PREFIX_PATH': str(prefix),
    }


def assert_can_be_started(prefix, packages):
    """The command answers from the path; ROS finds package and nodes, which refuse nonsense."""
    env = environment(prefix, packages)
    assert (
        run_well('mfaranet', '--version', env=env, cwd='/').split()[1] == mfaranet_ros.__version__
    )
    assert Path(shutil.which('mfaranet', path=env['PATH'])).is_relative_to(prefix)
    find = 'import mfaranet_ros, sys; sys.stdout.write(mfaranet_ros.__file__)'
    assert run_well(sys.executable, '-c', find, env=env, cwd='/').startswith(str(packages))
    assert (prefix / 'share/ament_index/resource_index/packages/mfaranet_ros').exists()
    for node, parameter in NODES.items():
        executable = prefix / 'lib' / 'mfaranet_ros' / node
        done = run(executable, '--ros-args', '-p', parameter, env=env, cwd='/')
        assert done.returncode == 2, done.stderr
        assert parameter.partition(':=')[0] in done.stderr


@pytest.mark.slow
@pytest.mark.ros
def test_installed_by_pip(wheel, tmp_path):
    pip = (sys.executable, '-m', 'pip', 'install', '--no-deps', '--ignore-installed')
    run_well(*pip, '--prefix', tmp_path, wheel)
    (packages,) = tmp_path.glob('lib/python*/site-packages')
    assert_can_be_started(tmp_path, packages)


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.skipif(util.find_spec('colcon_core') is None, reason='colcon is not installed')
@pytest.mark.parametrize('option', [(), ('--symlink-install',)], ids=['copy', 'symlink'])
def test_installed_by_colcon(option, tmp_path):
    (tmp_path / 'src').mkdir()
    copy_of_sources(tmp_path / 'src')
    colcon = (sys.executable, '-m', 'colcon', 'build', *option)
    run_well(*colcon, cwd=tmp_path)
    prefix = tmp_path / 'install' / 'mfaranet_ros'
    if option:
        packages = tmp_path / 'build' / 'mfaranet_ros'
    else:
        (packages,) = prefix.glob('lib/python*/site-packages')
    assert_can_be_started(prefix, packages)
    assert files(*SHARED) == {
        str(path.relative_to(prefix / 'share' / 'mfaranet_ros'))
        for folder in SHARED
        for path in (prefix / 'share' / 'mfaranet_ros' / folder).iterdir()
        if path.is_file()
    }
