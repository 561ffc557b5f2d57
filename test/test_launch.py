# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Launch files and the RViz file: held against the settings, the executables and the topics.

Where the launch packages are installed the launch files are also evaluated for real.
"""

from __future__ import annotations

import ast
import importlib.util
import os
from pathlib import Path

import pytest
import yaml

from mfaranet_ros.core.config import PipelineConfig, settings_of

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
ARGUMENTS = {name: constant(name, 'ARGUMENTS') for name in (SEGMENTATION, REPLAY)}


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
    settings = constant(SEGMENTATION, 'SETTINGS')
    assert set(settings.values()) <= pipeline_settings
    assert set(settings) <= set(ARGUMENTS[SEGMENTATION])
    assert {'camera', 'config_file', 'weights', 'scales', 'device'} <= set(ARGUMENTS[SEGMENTATION])


def test_node_and_player_settings_exist():
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from mfaranet_ros.ros.parameters import NodeConfig
    from mfaranet_ros.ros.player_config import PlayerConfig

    node = {**constant(SEGMENTATION, 'TEXTS'), **constant(SEGMENTATION, 'BOOLEANS')}
    declared_by_rclpy = {'use_sim_time'}
    known = {setting.name for setting in settings_of(NodeConfig)} | declared_by_rclpy
    assert set(node.values()) <= known
    assert set(node) <= set(ARGUMENTS[SEGMENTATION])
    player = set(constant(REPLAY, 'PLAYER_TEXTS'))
    texts = {s.name for s in settings_of(PlayerConfig) if isinstance(s.default, str)}
    assert {'bag', 'image_topic', 'camera_info_topic'} <= texts
    assert player <= texts
    assert player <= set(ARGUMENTS[REPLAY])


@pytest.mark.parametrize('name', ARGUMENTS)
def test_what_is_asked_for_is_declared(name):
    declared = set(ARGUMENTS[name])
    if name == REPLAY:
        assert not declared & set(ARGUMENTS[SEGMENTATION])
        declared |= set(ARGUMENTS[SEGMENTATION])
    asked = {
        call.args[0].value
        for call in calls(name, 'LaunchConfiguration')
        if isinstance(call.args[0], ast.Constant)
    }
    assert asked <= declared


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
    (node,) = actions
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
    context, (node,) = evaluate(SEGMENTATION, **given)
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


@needs_launch
@pytest.mark.parametrize(
    ('environment', 'argument', 'expected'),
    [
        ({'ROS_DISTRO': 'jazzy'}, 'auto', {'FASTRTPS_DEFAULT_PROFILES_FILE': 'shipped'}),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/own'}, 'auto',
         {'FASTDDS_DEFAULT_PROFILES_FILE': '/own'}),
        ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/own'}, 'auto',
         {'FASTRTPS_DEFAULT_PROFILES_FILE': '/own'}),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/own'}, '/other',
         {'FASTDDS_DEFAULT_PROFILES_FILE': '/other'}),
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
    ('name', 'arguments', 'text'),
    [
        (SEGMENTATION, {'scales': '7'}, r'model\.scales'),
        (SEGMENTATION, {'scales': 'all'}, r'model\.scales'),
        (SEGMENTATION, {'autostart': 'perhaps'}, 'true or false'),
        (REPLAY, {}, 'give one of images'),
        (REPLAY, {'images': '/a', 'bag': '/b'}, 'not 2'),
        (REPLAY, {'images': '/a', 'loop': 'x'}, 'true or false'),
        (REPLAY, {'bag': '/a', 'bag_player': 'mine'}, 'allowed are auto, ros2, own'),
    ],
)
def test_a_wrong_argument_is_refused(name, arguments, text):
    with pytest.raises(Exception, match=text):
        evaluate(name, **arguments)


@needs_launch
@pytest.mark.parametrize('kind', ['images', 'video'])
def test_a_replay_of_images_runs_on_the_clock_of_the_system(kind):
    context, actions = evaluate(
        REPLAY, **{kind: '/data'}, loop='true', camera='front', transport='compressed'
    )
    found = nodes(actions)
    assert set(found) == {'segmentation_node', 'player_node'}
    player = parameters_of(found['player_node'], context)
    assert (player[kind], player['loop'], player['transport']) == ('/data', True, 'compressed')
    node = parameters_of(found['segmentation_node'], context)
    assert node['use_sim_time'] is False
    assert node['ground.extrinsics'] == 'parameters'
    assert node['input.transport'] == 'compressed'
    for each in found.values():
        each._perform_substitutions(context)
        assert each.node_name.startswith('/front/')


@needs_launch
def test_a_replay_of_the_drive_takes_its_mounting_pose_from_tf():
    context, actions = evaluate(REPLAY, drive='7')
    found = nodes(actions)
    player = parameters_of(found['player_node'], context)
    assert (player['source'], player['seed'], player['images']) == ('scene', 7, '')
    node = parameters_of(found['segmentation_node'], context)
    assert node['use_sim_time'] is False
    assert node.get('ground.extrinsics', 'auto') != 'parameters'


@needs_launch
def test_a_replay_of_a_bag_runs_on_its_clock_and_waits_for_the_node():
    given = {'bag': '/a.mcap', 'rate': '0.5', 'loop': 'true', 'camera': 'front'}
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
    assert command[:4] == ['ros2', 'bag', 'play', '/a.mcap']
    assert {'--clock', '--loop'} <= set(command)
    assert command[command.index('--rate') + 1] == '0.5'
    assert not ended(wait, actions, context, exit_code=1)


@needs_launch
@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ({}, {}),
        (
            {'rate': '4', 'image': '/rear/image_raw'},
            {'rate': 4.0, 'image_topic': '/rear/image_raw'},
        ),
    ],
)
def test_without_ros2_bag_our_player_plays_the_bag(arguments, expected):
    context, actions = evaluate(REPLAY, bag='/a.mcap', bag_player='own', **arguments)
    found = nodes(actions)
    assert set(found) == {'segmentation_node', 'player_node'}
    assert not any(command_of(action, context) for action in actions)
    told = {'bag': '/a.mcap', 'loop': False, **expected}
    assert parameters_of(found['player_node'], context) == told
    assert parameters_of(found['segmentation_node'], context)['use_sim_time'] is True
    player = found['player_node']
    player._perform_substitutions(context)
    image = arguments.get('image', 'image')
    assert ('image', image) in player.expanded_remapping_rules


@needs_launch
def test_a_replay_ends_with_the_node():
    from launch.actions import Shutdown

    context, actions = evaluate(REPLAY, images='/data')
    (end,) = ended(nodes(actions)['segmentation_node'], actions, context, exit_code=1)
    assert isinstance(end, Shutdown)


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
def test_rviz_shows_the_topics_of_the_node_it_is_started_with():
    context, actions = evaluate(REPLAY, images='/data', camera='front', rviz='true')
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
        for node in visited([group], context):
            node._perform_substitutions(context)
            found[node.node_name] = parameters_of(node, context)
    assert set(found) == {'/front/segmentation', '/rear/segmentation'}
    assert 'model.scales' in found['/front/segmentation']
    assert 'model.scales' not in found['/rear/segmentation']
