# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Start the segmentation node of one camera.

    ros2 launch mfaranet_ros segmentation.launch.py camera:=front image:=image_raw

For several cameras include this file once per camera, each time in its own group, because launch
passes the arguments of one include on to the next:

    GroupAction([
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(path), launch_arguments={'camera': 'front'}.items()
        )
    ])

A wrong argument ends the launch with exit code 1 before the node is started. So does a node that
ends with an error, once everything else has ended, unless `respawn` starts it again.
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import LifecycleNode

from mfaranet_ros.cli.launch_arguments import SEGMENTATION_ARGUMENTS, check_segmentation
from mfaranet_ros.core.dds import profile_to_set, profile_variable
from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.ros.launch_actions import declare, fail, fail_with, values

RESPAWN_DELAY_S = 2.0


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, check them, and start the node."""
    return LaunchDescription([*declare(SEGMENTATION_ARGUMENTS), OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[Action]:
    given = values(context, SEGMENTATION_ARGUMENTS)
    try:
        checked = check_segmentation(given)
        profile = _dds_profile(context, checked.dds_profile)
    except MfaranetError as error:
        return fail(str(error))
    node = LifecycleNode(
        package='mfaranet_ros',
        executable='segmentation_node',
        name=given['name'],
        namespace=given['camera'],
        parameters=[str(checked.config_file), dict(checked.parameters)],
        remappings=[(topic, given[topic]) for topic in ('image', 'camera_info')],
        arguments=['--ros-args', '--log-level', given['log_level']],
        output='screen',
        respawn=checked.respawn,
        respawn_delay=RESPAWN_DELAY_S,
    )
    return [*profile, *([] if checked.respawn else [fail_with(node)]), node]


def _dds_profile(context: LaunchContext, profile: str) -> list[Action]:
    """Set the profile in the environment of everything that is started from here on."""
    if profile == 'auto':
        profile = str(profile_to_set(context.environment) or 'none')
    if profile == 'none':
        return []
    return [SetEnvironmentVariable(profile_variable(context.environment), profile)]
