# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Launch files and the RViz file: held against the settings, the executables and the topics.

Where the launch packages are installed the launch files are also evaluated for real.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mfaranet_ros.cli import launch_arguments
from mfaranet_ros.cli.launch_arguments import (
    BOOLEANS,
    CHOICES,
    REPLAY_ARGUMENTS,
    SEGMENTATION_ARGUMENTS,
    SETTINGS,
    TEXTS,
    check_replay,
    check_segmentation,
    find_config,
)
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import PipelineConfig, settings_of
from mfaranet_ros.core.errors import ConfigError, MfaranetError, SourceError

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
RVIZ = yaml.safe_load((ROOT / 'config' / 'mfaranet.rviz').read_text())

pipeline_settings = {setting.name for setting in settings_of(PipelineConfig)}


def tree(name):
    return ast.parse((ROOT / 'launch' / name).read_text())


def constant(name, variable):
    """Return the value of a constant at the top of a launch file, without running the file."""
    for node in tree(name).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == variable:
            return ast.literal_eval(node.value)
    raise AssertionError(f'{name} has no {variable}')


def calls(name, function):
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', None) == function:
            yield node


def keyword(call, name):
    value = next((k.value for k in call.keywords if k.arg == name), None)
    return value.value if isinstance(value, ast.Constant) else None


SEGMENTATION, REPLAY = 'segmentation.launch.py', 'replay.launch.py'
ARGUMENTS = {SEGMENTATION: SEGMENTATION_ARGUMENTS, REPLAY: REPLAY_ARGUMENTS}


# -- without launch ------------------------------------------------------------------------------


def test_the_issue_names_these_files():
    assert {SEGMENTATION, REPLAY} <= {path.name for path in FILES}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_it_compiles_and_describes_itself(path):
    source = path.read_text()
    compile(source, str(path), 'exec')
    assert 'def generate_launch_description()' in source
    assert 'ros2 launch mfaranet_ros ' + path.name in ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize('name', ARGUMENTS)
def test_every_argument_says_what_it_means(name):
    for default, description in ARGUMENTS[name].values():
        assert isinstance(default, str)
        assert description


def test_arguments_stand_for_settings_that_exist():
    assert set(SETTINGS.values()) <= pipeline_settings
    assert set(SETTINGS) <= set(SEGMENTATION_ARGUMENTS)
    assert {'camera', 'config_file', 'weights', 'scales', 'device'} <= set(SEGMENTATION_ARGUMENTS)
    assert not set(REPLAY_ARGUMENTS) & set(SEGMENTATION_ARGUMENTS)


def test_node_and_player_settings_exist():
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from mfaranet_ros.ros.parameters import NodeConfig
    from mfaranet_ros.ros.player_config import PlayerConfig

    node = {**TEXTS, **BOOLEANS}
    declared_by_rclpy = {'use_sim_time'}
    known = {setting.name: setting for setting in settings_of(NodeConfig)}
    assert set(node.values()) <= set(known) | declared_by_rclpy
    assert set(node) <= set(SEGMENTATION_ARGUMENTS)
    assert set(CHOICES['transport']) - {''} == set(known['input.transport'].rule.choices)
    player = {setting.name for setting in settings_of(PlayerConfig)}
    assert {'bag', 'image_topic', 'camera_info_topic', 'rate'} <= player
    assert set(check_replay(arguments(scene='3')).player_parameters) <= player


# -- the check of the arguments ------------------------------------------------------------------


def arguments(**given):
    """Return all arguments of both files, some of them given."""
    tables = {**SEGMENTATION_ARGUMENTS, **REPLAY_ARGUMENTS}
    assert set(given) <= set(tables)
    return {**{name: default for name, (default, _) in tables.items()}, **given}


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """A recording of the synthetic scene: /camera/image_raw and its camera_info."""
    folder = tmp_path_factory.mktemp('bags') / 'scene'
    assert main(['scene', '--out', str(folder), '--bag', '--frames', '2', '--size', '90x120']) == 0
    return str(folder)


WRONG = [
    ({'scales': '7'}, r'model\.scales'),
    ({'scales': 'all'}, r'model\.scales'),
    ({'extrinsics': 'guess'}, r'ground\.extrinsics'),
    ({'autostart': 'perhaps'}, 'must be true or false'),
    ({'use_sim_time': '2'}, 'must be true or false'),
    ({'respawn': 'maybe'}, 'must be true or false'),
    ({'transport': 'theora'}, 'choose from raw, compressed'),
    ({'log_level': 'loud'}, 'choose from debug, info'),
    ({'name': 'my node'}, 'letters, digits and underscores'),
    ({'camera': '/front camera'}, 'must be a namespace'),
    ({'image': 'image raw'}, 'must be a topic name'),
    ({'config_file': 'missing.yaml'}, 'no such file; the package has .*small_device.yaml'),
    ({'config_file': '/missing/segmentation.yaml'}, 'no such file'),
    ({'dds_profile': '/missing.xml'}, 'no such file; choose from auto, none, FILE'),
]
"""Wrong arguments of segmentation.launch.py, and what is said of them."""

WRONG_REPLAY = [
    ({}, 'give one of images'),
    ({'images': '/a', 'bag': '/b'}, 'not 2'),
    ({'images': '/missing'}, "images = '/missing': does not exist"),
    ({'video': '/missing.mp4'}, 'does not exist'),
    ({'scene': '0', 'calibration': '/missing.yaml'}, 'does not exist'),
    ({'scene': 'x'}, "scene = 'x': must be a seed"),
    ({'scene': '-1'}, 'must be a seed'),
    ({'scene': '0', 'rate': 'fast'}, "rate = 'fast': must be 0, or 0 to 1000"),
    ({'scene': '0', 'rate': 'nan'}, 'must be 0, or 0 to 1000'),
    ({'scene': '0', 'loop': 'x'}, 'must be true or false'),
    ({'scene': '0', 'rviz': 'true'}, 'the package rviz2 is not installed'),
    ({'bag': '/missing', 'bag_player': 'own'}, '/missing'),
    ({'bag': '/a', 'bag_player': 'mine'}, 'choose from auto, ros2, own'),
]
"""The same for replay.launch.py."""


@pytest.mark.parametrize(('given', 'text'), WRONG)
def test_a_wrong_argument_of_the_node_is_refused(given, text):
    with pytest.raises(MfaranetError, match=text) as caught:
        check_segmentation(arguments(**given))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('given', 'text'), WRONG_REPLAY)
def test_a_wrong_argument_of_the_replay_is_refused(given, text, monkeypatch):
    monkeypatch.delenv('AMENT_PREFIX_PATH', raising=False)
    with pytest.raises(MfaranetError, match=text) as caught:
        check_replay(arguments(**given))
    assert '\n' not in str(caught.value)


def test_config_files_are_also_found_by_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = ROOT / 'config'
    assert find_config('') == shipped / 'segmentation.yaml'
    assert find_config('small_device.yaml') == shipped / 'small_device.yaml'
    assert find_config('config/small_device.yaml') == shipped / 'small_device.yaml'
    mine = tmp_path / 'small_device.yaml'
    mine.write_text('', encoding='utf-8')
    assert find_config('small_device.yaml') == mine
    with pytest.raises(SourceError):
        find_config('../dev')


def test_a_bag_is_remapped_to_the_topics_of_the_node(bag, monkeypatch):
    monkeypatch.setattr(launch_arguments.importlib.util, 'find_spec', lambda name: name)

    def remaps(**given):
        command = check_replay(arguments(bag=bag, **given)).bag_command
        assert command[:4] == ('ros2', 'bag', 'play', bag)
        return set(command[command.index('--remap') + 1 :]) if '--remap' in command else set()

    info = '/camera/camera_info:=/camera_info'
    assert remaps() == {'/camera/image_raw:=/image', info}
    assert remaps(image='/camera/image_raw') == {info}
    assert remaps(camera='camera', image='image_raw') == set()
    assert remaps(camera='front') == {
        '/camera/image_raw:=/front/image', '/camera/camera_info:=/front/camera_info',
    }  # fmt: skip
    with pytest.raises(MfaranetError, match='/other'):
        remaps(image='/other')


def test_the_player_of_a_bag_is_told_its_topics(bag):
    parameters = check_replay(arguments(bag=bag, bag_player='own', rate='4')).player_parameters
    assert parameters == {
        'bag': bag, 'loop': False, 'rate': 4.0,
        'image_topic': '/camera/image_raw', 'camera_info_topic': '/camera/camera_info',
    }  # fmt: skip


def test_ros2_bag_is_only_used_where_it_is_installed(bag, monkeypatch):
    monkeypatch.setattr(launch_arguments.importlib.util, 'find_spec', lambda name: None)
    assert not check_replay(arguments(bag=bag)).bag_command
    with pytest.raises(ConfigError, match='ros2bag is not installed'):
        check_replay(arguments(bag=bag, bag_player='ros2'))


@pytest.mark.parametrize('name', ARGUMENTS)
def test_executables_exist(name):
    started = [*calls(name, 'Node'), *calls(name, 'LifecycleNode')]
    assert started
    for call in started:
        if keyword(call, 'package') == 'mfaranet_ros':
            assert (ROOT / 'mfaranet_ros/ros/scripts' / keyword(call, 'executable')).exists()


# -- RViz ----------------------------------------------------------------------------------------

DISPLAYS = {
    display['Topic']['Value']: display
    for display in RVIZ['Visualization Manager']['Displays']
    if 'Topic' in display
}
PLUGINS = {
    'sensor_msgs/msg/Image': 'Image',
    'nav_msgs/msg/OccupancyGrid': 'Map',
    'geometry_msgs/msg/PolygonStamped': 'Polygon',
    'sensor_msgs/msg/PointCloud2': 'PointCloud2',
}


def test_rviz_shows_what_the_issue_names():
    shown = {topic for topic, display in DISPLAYS.items() if display['Enabled']}
    assert {
        '/segmentation/overlay',
        '/segmentation/color_mask',
        '/segmentation/drivable/grid',
        '/segmentation/drivable/boundary',
        '/segmentation/drivable/points',
    } == shown
    assert '/segmentation/mask' in DISPLAYS
    assert RVIZ['Visualization Manager']['Global Options']['Fixed Frame'] == (
        PipelineConfig().ground.base_frame
    )


def test_replay_remaps_every_topic_of_rviz():
    topics = {f'/segmentation/{topic}' for topic in constant(REPLAY, 'RVIZ_TOPICS')}
    assert topics == set(DISPLAYS)


@pytest.mark.parametrize('topic', DISPLAYS)
def test_rviz_asks_for_what_is_published(topic):
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from mfaranet_ros.pipeline.topics import OUTPUT_TOPICS
    from mfaranet_ros.ros.outputs import qos_profile

    row = OUTPUT_TOPICS[topic.removeprefix('/segmentation/')]
    offered = qos_profile(row.qos)
    display = DISPLAYS[topic]
    assert display['Class'] == f'rviz_default_plugins/{PLUGINS[row.type_name]}'
    # What is asked for may be less than what is offered, never more; here it is equal.
    for policy in ('reliability', 'durability'):
        asked = display['Topic'][f'{policy.capitalize()} Policy']
        assert asked.replace(' ', '_').upper() == getattr(offered, policy).name


def test_rviz_of_a_rig_shows_every_camera_and_the_grid_of_them_all():
    rig = yaml.safe_load((ROOT / 'config' / 'rig.yaml').read_text())['/**']['ros__parameters']
    shown = yaml.safe_load((ROOT / 'config' / 'rig.rviz').read_text())['Visualization Manager']
    topics = {
        display['Topic']['Value']: display['Topic']['Durability Policy']
        for display in shown['Displays']
        if 'Topic' in display
    }
    expected = {f'/rig/{name}/overlay': 'Volatile' for name in rig['cameras']}
    for topic in ('/rig/grid', '/rig/grid/certainty'):
        expected[topic] = 'Transient Local'
    assert topics == expected
    assert shown['Global Options']['Fixed Frame'] == PipelineConfig().ground.base_frame


# -- with launch ---------------------------------------------------------------------------------

needs_launch = pytest.mark.skipif(
    importlib.util.find_spec('launch') is None or importlib.util.find_spec('launch_ros') is None,
    reason='launch and launch_ros are not installed (they come with ROS, not from PyPI)',
)


@pytest.fixture(autouse=True)
def environment_as_before():
    """The environment of a launch is that of the process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def evaluate(file, environment=(), /, **arguments):
    """Run a launch file up to the starting of processes; return its context and actions."""
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    context = LaunchContext()
    for name in [name for name in os.environ if 'PROFILES_FILE' in name]:
        del os.environ[name]
    os.environ.update({'ROS_DISTRO': 'kilted', **dict(environment)})
    context.launch_configurations.update(arguments)
    source = PythonLaunchDescriptionSource(str(ROOT / 'launch' / file))
    return context, list(visited(source.get_launch_description(context).entities, context))


def visited(entities, context):
    """Visit what prepares, and yield what would start or wait for something."""
    from launch.actions import ExecuteProcess, RegisterEventHandler

    for entity in entities:
        if isinstance(entity, ExecuteProcess | RegisterEventHandler):
            yield entity
        else:
            yield from visited(entity.visit(context) or [], context)


def parameters_of(node, context):
    """Return what a node's parameters become, the later ones over the earlier ones."""
    from launch_ros.utilities import evaluate_parameters

    found = {}
    for part in evaluate_parameters(context, node._Node__parameters):
        if isinstance(part, dict):
            found.update(part)
        else:
            found['file'] = str(part)
    return found


def nodes(actions):
    from launch_ros.actions import Node

    return {action.node_executable: action for action in actions if isinstance(action, Node)}


@needs_launch
def test_defaults_start_the_node_with_the_shipped_settings():
    context, actions = evaluate(SEGMENTATION)
    (node,) = nodes(actions).values()
    found = parameters_of(node, context)
    assert found == {'file': str(ROOT / 'config' / 'segmentation.yaml'), 'use_sim_time': False}
    assert context.environment['FASTDDS_DEFAULT_PROFILES_FILE'].endswith('config/fastdds.xml')


@needs_launch
def test_arguments_become_parameters_and_remappings():
    given = {
        'camera': 'front', 'name': 'eye', 'image': 'image_raw', 'scales': '1,2', 'device': 'cpu',
        'weights': '/a b.safetensors', 'transport': 'compressed', 'autostart': 'false',
        'use_sim_time': 'true', 'config_file': str(ROOT / 'config' / 'segmentation.yaml'),
    }  # fmt: skip
    context, actions = evaluate(SEGMENTATION, **given)
    (node,) = nodes(actions).values()
    found = parameters_of(node, context)
    del found['file']
    assert {**found, 'model.scales': list(found['model.scales'])} == {
        'model.scales': [1, 2],
        'runtime.device': 'cpu',
        'model.weights': '/a b.safetensors',
        'input.transport': 'compressed',
        'autostart': False,
        'use_sim_time': True,
    }
    node._perform_substitutions(context)
    assert node.node_name == '/front/eye'
    assert ('image', 'image_raw') in node.expanded_remapping_rules


OTHER_PROFILE = str(ROOT / 'package.xml')


@needs_launch
@pytest.mark.parametrize(
    ('environment', 'argument', 'expected'),
    [
        ({'ROS_DISTRO': 'jazzy'}, 'auto', {'FASTRTPS_DEFAULT_PROFILES_FILE': 'shipped'}),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/own'}, 'auto',
         {'FASTDDS_DEFAULT_PROFILES_FILE': '/own'}),
        ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/own'}, 'auto',
         {'FASTRTPS_DEFAULT_PROFILES_FILE': '/own'}),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/own'}, OTHER_PROFILE,
         {'FASTDDS_DEFAULT_PROFILES_FILE': OTHER_PROFILE}),
        ({}, 'none', {}),
    ],
)  # fmt: skip
def test_a_profile_of_the_user_stays(environment, argument, expected):
    context, _ = evaluate(SEGMENTATION, environment, dds_profile=argument)
    found = {name: value for name, value in context.environment.items() if 'PROFILES' in name}
    shipped = str(ROOT / 'config' / 'fastdds.xml')
    assert found == {
        name: shipped if value == 'shipped' else value for name, value in expected.items()
    }


@needs_launch
@pytest.mark.parametrize(
    ('name', 'given'), [(SEGMENTATION, {'scales': '7'}), (REPLAY, {'scene': 'x'})]
)
def test_nothing_is_started_with_a_wrong_argument(name, given):
    _, actions = evaluate(name, **given)
    assert not nodes(actions)


@needs_launch
@pytest.mark.parametrize('kind', ['images', 'video'])
def test_a_replay_of_images_runs_on_the_clock_of_the_system(kind, tmp_path):
    path = tmp_path / 'data'
    path.mkdir() if kind == 'images' else path.touch()
    context, actions = evaluate(
        REPLAY, **{kind: str(path)}, loop='true', camera='front', transport='compressed'
    )
    found = nodes(actions)
    assert set(found) == {'segmentation_node', 'player_node'}
    player = parameters_of(found['player_node'], context)
    assert (player[kind], player['loop'], player['transport']) == (str(path), True, 'compressed')
    node = parameters_of(found['segmentation_node'], context)
    assert node['use_sim_time'] is False
    assert node['ground.extrinsics'] == 'parameters'
    assert node['input.transport'] == 'compressed'
    for each in found.values():
        each._perform_substitutions(context)
        assert each.node_name.startswith('/front/')


@needs_launch
def test_a_replay_of_the_scene_takes_its_mounting_pose_from_tf():
    context, actions = evaluate(REPLAY, scene='7')
    found = nodes(actions)
    player = parameters_of(found['player_node'], context)
    assert (player['source'], player['seed'], player['images']) == ('scene', 7, '')
    node = parameters_of(found['segmentation_node'], context)
    assert node['use_sim_time'] is False
    assert node.get('ground.extrinsics', 'auto') != 'parameters'


@needs_launch
def test_a_replay_of_a_bag_runs_on_its_clock_and_waits_for_the_node(bag, monkeypatch):
    monkeypatch.setattr(launch_arguments, '_plays_with_ros2', lambda _: True)
    given = {'bag': bag, 'rate': '0.5', 'loop': 'true', 'camera': 'front'}
    context, actions = evaluate(REPLAY, **given, bag_player='ros2')
    found = nodes(actions)
    assert set(found) == {'segmentation_node'}
    node = parameters_of(found['segmentation_node'], context)
    assert node['use_sim_time'] is True
    assert 'ground.extrinsics' not in node
    (wait,) = (action for action in actions if 'wait_until_active' in command_of(action, context))
    assert 'node:=/front/segmentation' in command_of(wait, context)
    assert not any('bag' in command_of(action, context) for action in actions)
    (play,) = ended(wait, actions, context, exit_code=0)
    command = command_of(play, context)
    assert command[:4] == ['ros2', 'bag', 'play', bag]
    assert {'--clock', '--loop'} <= set(command)
    assert command[command.index('--rate') + 1] == '0.5'
    assert not ended(wait, actions, context, exit_code=1)


@needs_launch
@pytest.mark.parametrize(
    ('given', 'expected'),
    [({}, {}), ({'rate': '4', 'image': '/camera/image_raw'}, {'rate': 4.0})],
)
def test_without_ros2_bag_our_player_plays_the_bag(bag, given, expected):
    context, actions = evaluate(REPLAY, bag=bag, bag_player='own', **given)
    found = nodes(actions)
    assert set(found) == {'segmentation_node', 'player_node'}
    assert not any(command_of(action, context) for action in actions)
    recorded = {
        'image_topic': '/camera/image_raw', 'camera_info_topic': '/camera/camera_info',
    }  # fmt: skip
    parameters = parameters_of(found['player_node'], context)
    assert parameters == {'bag': bag, 'loop': False, **recorded, **expected}
    assert parameters_of(found['segmentation_node'], context)['use_sim_time'] is True
    player = found['player_node']
    player._perform_substitutions(context)
    image = given.get('image', 'image')
    assert ('image', image) in player.expanded_remapping_rules


@needs_launch
def test_a_replay_ends_with_the_node(tmp_path):
    from launch.actions import Shutdown

    context, actions = evaluate(REPLAY, images=str(tmp_path))
    then = ended(nodes(actions)['segmentation_node'], actions, context, exit_code=1)
    assert any(isinstance(action, Shutdown) for action in then)


def command_of(action, context):
    """Return the words of the command that an action starts."""
    from launch_ros.actions import Node

    words = [] if isinstance(action, Node) else getattr(action, 'cmd', [])
    return [''.join(part.perform(context) for part in word) for word in words]


def ended(action, actions, context, exit_code):
    """Return what the handlers do once a process has ended."""
    from launch.actions import RegisterEventHandler
    from launch.events.process import ProcessExited

    event = ProcessExited(
        action=action, name='x', cmd=['x'], cwd=None, env=None, pid=1, returncode=exit_code
    )
    context._push_locals()
    context.extend_locals({'event': event})
    handlers = [a.event_handler for a in actions if isinstance(a, RegisterEventHandler)]
    return [
        entity
        for handler in handlers
        if handler.matches(event)
        for entity in handler.handle(event, context) or []
    ]


@needs_launch
def test_rviz_shows_the_topics_of_the_node_it_is_started_with(tmp_path, monkeypatch):
    monkeypatch.setattr(launch_arguments, '_check_installed', lambda *_: None)
    context, actions = evaluate(REPLAY, images=str(tmp_path), camera='front', rviz='true')
    rviz = nodes(actions)['rviz2']
    rviz._perform_substitutions(context)
    assert ('/segmentation/overlay', '/front/segmentation/overlay') in (
        rviz.expanded_remapping_rules
    )


@needs_launch
def test_two_cameras_in_groups_do_not_mix():
    from launch import LaunchContext
    from launch.actions import GroupAction, IncludeLaunchDescription
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    context = LaunchContext()
    source = str(ROOT / 'launch' / SEGMENTATION)
    cameras = [{'camera': 'front', 'scales': '2'}, {'camera': 'rear'}]
    found = {}
    for camera in cameras:
        group = GroupAction(
            [IncludeLaunchDescription(PythonLaunchDescriptionSource(source),
                                      launch_arguments=camera.items())]
        )  # fmt: skip
        for node in nodes(visited([group], context)).values():
            node._perform_substitutions(context)
            found[node.node_name] = parameters_of(node, context)
    assert set(found) == {'/front/segmentation', '/rear/segmentation'}
    assert 'model.scales' in found['/front/segmentation']
    assert 'model.scales' not in found['/rear/segmentation']


# -- launched for real, with scripts in the place of the nodes -----------------------------------

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

service = LaunchService(noninteractive=True)
includes = []
for words in ' '.join(sys.argv[2:]).split(' + '):
    given = [word.split(':=') for word in words.split()]
    source = PythonLaunchDescriptionSource(sys.argv[1])
    includes.append(GroupAction([IncludeLaunchDescription(source, launch_arguments=given)]))
service.include_launch_description(LaunchDescription(includes))
sys.exit(service.run())
"""


@pytest.fixture
def launched(tmp_path):
    """Run a launch file; return its exit code, its output, and the processes it left behind."""
    prefix = tmp_path / 'prefix'
    marker = prefix / 'share/ament_index/resource_index/packages/mfaranet_ros'
    executables = prefix / 'lib/mfaranet_ros'
    for folder in (marker.parent, executables):
        folder.mkdir(parents=True)
    marker.touch()
    pids = tmp_path / 'pids'

    def run(file, *given, node='exec sleep 60'):
        for name in ('segmentation_node', 'player_node'):
            script = executables / name
            script.write_text(f'#!/bin/sh\necho $$ >>{pids}\n{node}\n', encoding='utf-8')
            script.chmod(0o755)
        environment = {
            **os.environ, 'AMENT_PREFIX_PATH': str(prefix), 'ROS_LOG_DIR': str(tmp_path),
            'ROS_DISTRO': 'kilted',
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, '-c', LAUNCH, ROOT / 'launch' / file, *given],
            env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        started = [int(pid) for pid in pids.read_text().split()] if pids.exists() else []
        left = [pid for pid in started if Path(f'/proc/{pid}').exists()]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return done.returncode, done.stdout + done.stderr, started, left

    return run


@needs_launch
@pytest.mark.slow
@pytest.mark.parametrize(
    ('file', 'given', 'text'),
    [
        (SEGMENTATION, ('scales:=9',), 'model.scales'),
        (SEGMENTATION, ('config_file:=missing.yaml',), 'no such file'),
        (SEGMENTATION, ('camera:=front', '+', 'camera:=rear', 'scales:=9'), 'model.scales'),
        (REPLAY, ('scene:=x',), 'must be a seed'),
        (REPLAY, ('scene:=0', 'rate:=fast'), 'must be 0'),
    ],
)
def test_a_wrong_argument_ends_the_launch_and_leaves_nothing(launched, file, given, text):
    code, output, _, left = launched(file, *given)
    assert code == 1
    assert text in output
    assert not left


@needs_launch
@pytest.mark.slow
@pytest.mark.parametrize(('file', 'given'), [(SEGMENTATION, ()), (REPLAY, ('scene:=0',))])
def test_the_exit_code_says_that_the_node_failed(launched, file, given):
    code, output, started, left = launched(file, *given, node='exit 3')
    assert code == 1
    assert 'ended with exit code 3' in output
    assert started
    assert not left


@needs_launch
@pytest.mark.slow
def test_a_node_that_ends_well_ends_the_launch_well(launched):
    code, _, started, left = launched(SEGMENTATION, node='exit 0')
    assert (code, len(started), left) == (0, 1, [])
