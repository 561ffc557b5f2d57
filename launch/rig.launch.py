# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Start the rig: several cameras on one network, and one grid of them all.

    ros2 launch mfaranet_ros rig.launch.py config_file:=my_rig.yaml

The file names the cameras and where they are mounted; config/rig.yaml of this package is an
example. The images of a camera NAME come on NAME/image and NAME/camera_info. `remap` takes rules
with blanks between them:

    ros2 launch mfaranet_ros rig.launch.py config_file:=my_rig.yaml
        remap:='front/image:=/cam0/image_raw front/camera_info:=/cam0/camera_info'
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import LifecycleNode

from mfaranet_ros.cli.launch_arguments import RIG_ARGUMENTS, check_rig
from mfaranet_ros.core.dds import profile_to_set, profile_variable
from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.ros.launch_actions import declare, fail, fail_with, values


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, check them, and start the node."""
    return LaunchDescription([*declare(RIG_ARGUMENTS), OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[Action]:
    given = values(context, RIG_ARGUMENTS)
    try:
        checked = check_rig(given)
        profile = profile_to_set(context.environment)
    except MfaranetError as error:
        return fail(str(error))
    node = LifecycleNode(
        package='mfaranet_ros',
        executable='rig_node',
        name=given['name'],
        namespace=given['namespace'],
        parameters=[str(checked.config_file), {'use_sim_time': checked.use_sim_time}],
        remappings=list(checked.remappings),
        arguments=['--ros-args', '--log-level', given['log_level']],
        output='screen',
    )
    variable = profile_variable(context.environment)
    environment = [SetEnvironmentVariable(variable, str(profile))] if profile else []
    return [*environment, fail_with(node), node]
