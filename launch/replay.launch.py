# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The synthetic scene, recorded images, a video or a bag, the segmentation node, RViz if wanted.

    ros2 launch mfaranet_ros replay.launch.py scene:=0 rviz:=true
    ros2 launch mfaranet_ros replay.launch.py images:=DIR weights:=FILE rviz:=true
    ros2 launch mfaranet_ros replay.launch.py bag:=DIR image:=/camera/image_raw

It takes the arguments of segmentation.launch.py as well. Images and videos are stamped anew by
the player, so the node runs on the system's clock; a bag brings its own stamps, so the node runs
on the bag's clock. `ros2 bag play` plays it where that is installed, else our player, which plays
the camera `image` names (any, if it is the only one) and the transforms. A bag is not started
before the node is active, so its beginning is not missed. When all is played everything ends,
unless RViz is there to look at it; so it does when the node ends.
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from mfaranet_ros.core.dds import find_shared
from mfaranet_ros.core.settings import parse_boolean

ARGUMENTS = {
    'images': ('', 'folder of images to play'),
    'video': ('', 'video file to play'),
    'bag': ('', 'bag to play, with its clock'),
    'scene': ('', 'number of the synthetic scene to play, as 0'),
    'rate': ('0.0', 'images per second, of a bag its speed; 0.0: as recorded'),
    'loop': ('false', 'begin anew when all is played'),
    'bag_player': ('auto', 'ros2: `ros2 bag play`; own: our player; auto: ros2 where it is there'),
    'calibration': ('', 'camera_calibration YAML for the player; empty: a nominal camera'),
    'rviz': ('false', 'show it in RViz'),
}
"""Name, default and meaning of each argument."""

PLAYER_TEXTS = ('images', 'video', 'calibration')
"""The arguments that are settings of the player of the same name, and text."""

SOURCES = ('images', 'video', 'bag', 'scene')

BAG_PLAYERS = ('auto', 'ros2', 'own')

DISCOVERY_S = '2.0'
"""How long the bag's publishers wait for the node to find them."""

RVIZ_TOPICS = ('overlay', 'color_mask', 'mask', 'drivable/grid', 'drivable/boundary',
               'drivable/points')  # fmt: skip
"""The topics below ~ that config/mfaranet.rviz shows."""


OnExit = Callable[[ProcessExited, LaunchContext], list[Action]]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start what they ask for."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    # Without arguments here, so that `ros2 launch -s` also shows those of the included file.
    return LaunchDescription(
        [
            *declared,
            OpaqueFunction(function=_prepare),
            RegisterEventHandler(
                OnProcessExit(
                    target_action=lambda action: isinstance(action, LifecycleNode),
                    on_exit=_end('the segmentation node has ended'),
                )
            ),
            _segmentation(),
            OpaqueFunction(function=_start),
        ]
    )


def _prepare(context: LaunchContext) -> list[Action]:
    """Check the arguments and give the node the clock and the mounting pose that go with them."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    chosen = [name for name in SOURCES if given[name]]
    if len(chosen) != 1:
        raise ValueError(
            f'give one of images:=DIR, video:=FILE, bag:=DIR and scene:=0, not {len(chosen)}'
        )
    for name in ('loop', 'rviz'):
        parse_boolean(name, given[name])
    if given['bag_player'] not in BAG_PLAYERS:
        allowed = ', '.join(BAG_PLAYERS)
        raise ValueError(f'bag_player = {given["bag_player"]!r}: allowed are {allowed}')
    context.launch_configurations['use_sim_time'] = 'true' if given['bag'] else 'false'
    if not given['bag'] and not given['scene']:
        # Nobody publishes where the camera of a folder of images was mounted.
        context.launch_configurations.setdefault('extrinsics', 'parameters')
    return []


def _segmentation() -> IncludeLaunchDescription:
    path = Path(__file__).with_name('segmentation.launch.py')
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(str(path)))


def _start(context: LaunchContext) -> list[Action]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    camera = LaunchConfiguration('camera').perform(context)
    name = LaunchConfiguration('name').perform(context)
    with_rviz = parse_boolean('rviz', given['rviz'])
    at_the_end = None if with_rviz else _end('all is played')
    node = f'/{camera.strip("/")}/{name}'.replace('//', '/')
    if given['bag'] and _has_ros2_bag(given['bag_player']):
        actions = _ros2_bag(given, node, at_the_end)
    else:
        settings = _bag_settings(context, given) if given['bag'] else _settings(context, given)
        actions = [_player(settings, at_the_end)]
    return [*actions, *(_rviz(given, node) if with_rviz else [])]


def _end(reason: str) -> OnExit:
    """Return what ends the launch, unless it is ending already."""
    return lambda event, context: [] if context.is_shutdown else [Shutdown(reason=reason)]


def _has_ros2_bag(bag_player: str) -> bool:
    installed = importlib.util.find_spec('ros2bag') is not None
    return installed if bag_player == 'auto' else bag_player == 'ros2'


def _settings(context: LaunchContext, given: dict[str, str]) -> dict[str, object]:
    """Return what the player is told to play images, a video or the synthetic scene."""
    scene = {'source': 'scene', 'seed': int(given['scene'])} if given['scene'] else {}
    return {
        **{name: given[name] for name in PLAYER_TEXTS},
        **scene,
        'transport': LaunchConfiguration('transport').perform(context) or 'raw',
        'rate_hz': float(given['rate']),
        'loop': parse_boolean('loop', given['loop']),
    }


def _bag_settings(context: LaunchContext, given: dict[str, str]) -> dict[str, object]:
    """Return what the player is told to play a bag; full names are those of the recording."""
    settings: dict[str, object] = {
        'bag': given['bag'],
        'loop': parse_boolean('loop', given['loop']),
    }
    if float(given['rate']) > 0:
        settings['rate'] = float(given['rate'])
    for topic in ('image', 'camera_info'):
        name = LaunchConfiguration(topic).perform(context)
        if name.startswith('/'):
            settings[f'{topic}_topic'] = name
    return settings


def _player(settings: dict[str, object], at_the_end: OnExit | None) -> Action:
    return Node(
        package='mfaranet_ros',
        executable='player_node',
        name='player',
        namespace=LaunchConfiguration('camera'),
        parameters=[settings],
        remappings=[(topic, LaunchConfiguration(topic)) for topic in ('image', 'camera_info')],
        output='screen',
        on_exit=at_the_end,
    )


def _ros2_bag(given: dict[str, str], node: str, at_the_end: OnExit | None) -> list[Action]:
    """Play the bag once the node is active."""
    command = ['ros2', 'bag', 'play', given['bag'], '--clock', '100', '--delay', DISCOVERY_S]
    if float(given['rate']) > 0:
        command += ['--rate', given['rate']]
    if parse_boolean('loop', given['loop']):
        command.append('--loop')
    play = ExecuteProcess(cmd=command, output='screen', on_exit=at_the_end)
    wait = ExecuteProcess(
        cmd=[sys.executable, '-m', 'mfaranet_ros.ros', 'wait_until_active',
             '--ros-args', '-p', f'node:={node}'],
        output='screen',
    )  # fmt: skip
    then = OnProcessExit(
        target_action=wait, on_exit=lambda event, _: [] if event.returncode else [play]
    )
    return [RegisterEventHandler(then), wait]


def _rviz(given: dict[str, str], node: str) -> list[Action]:
    """Show the node's topics, wherever it is; base_link must be a frame that TF knows."""
    remappings = [(f'/segmentation/{topic}', f'{node}/{topic}') for topic in RVIZ_TOPICS]
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', str(find_shared('config/mfaranet.rviz'))],
        parameters=[{'use_sim_time': bool(given['bag'])}],
        remappings=remappings,
    )
    frames = Node(
        package='tf2_ros',
        executable='static_transform_publisher',
        arguments=['--frame-id', 'map', '--child-frame-id', 'base_link'],
    )
    return [rviz] if given['bag'] else [rviz, frames]
