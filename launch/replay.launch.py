# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Play the synthetic scene, images, a video or a bag through the segmentation node.

    ros2 launch mfaranet_ros replay.launch.py scene:=0 rviz:=true
    ros2 launch mfaranet_ros replay.launch.py images:=DIR weights:=FILE rviz:=true
    ros2 launch mfaranet_ros replay.launch.py bag:=DIR image:=/camera/image_raw

The arguments of segmentation.launch.py are accepted as well. Images and videos are stamped by the
player, so the node uses the system clock; a bag has its own stamps, so the node uses the clock of
the bag. `ros2 bag play` plays a bag where it is installed, otherwise our player does. `image`
names the image topic of the bag and can be left out if there is only one camera; the recorded
topics are remapped to those of the node. A bag starts when the node is active, so that its
beginning is not missed. Everything ends at the end of the recording, unless RViz is open, and
when the node ends.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import LifecycleNode, Node

from mfaranet_ros.cli.launch_arguments import (
    REPLAY_ARGUMENTS,
    SEGMENTATION_ARGUMENTS,
    ReplayLaunch,
    check_replay,
    check_segmentation,
    full_name,
)
from mfaranet_ros.core.dds import find_shared
from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.ros.launch_actions import declare, fail, values

ARGUMENTS = {**REPLAY_ARGUMENTS, **SEGMENTATION_ARGUMENTS}

RVIZ_TOPICS = ('overlay', 'color_mask', 'mask', 'drivable/grid', 'drivable/boundary',
               'drivable/points')  # fmt: skip
"""The topics below ~ that config/mfaranet.rviz shows."""

OnExit = Callable[[ProcessExited, LaunchContext], list[Action]]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, check all of them, and start the node and the player."""
    return LaunchDescription([*declare(ARGUMENTS), OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[Action]:
    given = values(context, ARGUMENTS)
    try:
        replay = check_replay(given)
        given.update({name: given[name] or value for name, value in replay.defaults.items()})
        given['use_sim_time'] = str(replay.use_sim_time).lower()
        respawn = check_segmentation(given).respawn
    except MfaranetError as error:
        return fail(str(error))
    context.launch_configurations.update(given)
    node = full_name(given['camera'], given['name'])
    at_the_end = None if replay.rviz else _end('the recording has ended')
    return [
        *([] if respawn else [_end_with_the_node()]),
        _segmentation(),
        *_player(replay, given, node, at_the_end),
        *(_rviz(replay, node) if replay.rviz else []),
    ]


def _segmentation() -> IncludeLaunchDescription:
    path = Path(__file__).with_name('segmentation.launch.py')
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(str(path)))


def _end_with_the_node() -> Action:
    return RegisterEventHandler(
        OnProcessExit(
            target_action=lambda action: isinstance(action, LifecycleNode),
            on_exit=_end('the segmentation node has ended'),
        )
    )


def _end(reason: str) -> OnExit:
    """Return what ends the launch, unless it is ending already."""
    return lambda event, context: [] if context.is_shutdown else [Shutdown(reason=reason)]


def _player(
    replay: ReplayLaunch, given: dict[str, str], node: str, at_the_end: OnExit | None
) -> list[Action]:
    if replay.bag_command:
        return _ros2_bag(replay.bag_command, node, at_the_end)
    player = Node(
        package='mfaranet_ros',
        executable='player_node',
        name='player',
        namespace=given['camera'],
        parameters=[dict(replay.player_parameters)],
        remappings=[(topic, given[topic]) for topic in ('image', 'camera_info')],
        output='screen',
        on_exit=at_the_end,
    )
    return [player]


def _ros2_bag(command: tuple[str, ...], node: str, at_the_end: OnExit | None) -> list[Action]:
    """Play the bag once the node is active."""
    play = ExecuteProcess(cmd=list(command), output='screen', on_exit=at_the_end)
    wait = ExecuteProcess(
        cmd=[sys.executable, '-m', 'mfaranet_ros.ros', 'wait_until_active',
             '--ros-args', '-p', f'node:={node}'],
        output='screen',
    )  # fmt: skip
    then = OnProcessExit(
        target_action=wait, on_exit=lambda event, _: [] if event.returncode else [play]
    )
    return [RegisterEventHandler(then), wait]


def _rviz(replay: ReplayLaunch, node: str) -> list[Action]:
    """Show the topics of the node; base_link must be a frame that TF knows."""
    remappings = [(f'/segmentation/{topic}', f'{node}/{topic}') for topic in RVIZ_TOPICS]
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', str(find_shared('config/mfaranet.rviz'))],
        parameters=[{'use_sim_time': replay.use_sim_time}],
        remappings=remappings,
    )
    frames = Node(
        package='tf2_ros',
        executable='static_transform_publisher',
        arguments=['--frame-id', 'map', '--child-frame-id', 'base_link'],
    )
    return [rviz] if replay.use_sim_time else [rviz, frames]
