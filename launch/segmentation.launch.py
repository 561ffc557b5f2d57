# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One camera's segmentation node.

    ros2 launch mfaranet_ros segmentation.launch.py camera:=front image:=image_raw

For several cameras include it once for each, every time in a group of its own, since launch keeps
the arguments of one include for the next:

    GroupAction([
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(path), launch_arguments={'camera': 'front'}.items()
        )
    ])
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.dds import find_shared, profile_to_set, profile_variable
from mfaranet_ros.core.settings import parse_boolean, parse_settings

ARGUMENTS = {
    'camera': ('', 'namespace of the camera, in which the node lives too; empty: the root'),
    'name': ('segmentation', 'name of the node'),
    'image': ('image', 'topic of the images, relative to the camera'),
    'camera_info': ('camera_info', 'topic of the calibration, relative to the camera'),
    'transport': ('', 'raw or compressed (image/compressed); empty: as the config file says'),
    'config_file': ('', 'parameters of the node; empty: config/segmentation.yaml of the package'),
    'model': ('', 'network; empty: as the config file says'),
    'weights': ('', 'weights file; empty: as the config file says'),
    'labels': (
        '',
        'label set of weights that do not name it (published .pth: cityscapes); empty: as the '
        'config file says',
    ),
    'scales': ('', 'kept scales, as 2 or 1,2,3,4; empty: as the config file says'),
    'device': ('', 'cpu, cuda, cuda:N or auto; empty: as the config file says'),
    'extrinsics': ('', 'auto, tf or parameters; empty: as the config file says'),
    'autostart': ('', 'false: a lifecycle manager starts it; empty: as the config file says'),
    'use_sim_time': ('false', 'take the time from /clock, as with `ros2 bag play --clock`'),
    'dds_profile': (
        'auto',
        'Fast DDS profile (XML) for this launch; auto: that for large images unless the '
        'environment names one; none: leave it',
    ),
    'log_level': ('info', 'debug, info, warn, error or fatal'),
}
"""Name, default and meaning of each argument."""

SETTINGS = {
    'model': 'model.name',
    'weights': 'model.weights',
    'labels': 'model.labels',
    'scales': 'model.scales',
    'device': 'runtime.device',
    'extrinsics': 'ground.extrinsics',
}
"""The arguments that stand for a setting of the pipeline."""

TEXTS = {'transport': 'input.transport'}
BOOLEANS = {'autostart': 'autostart', 'use_sim_time': 'use_sim_time'}
"""The arguments that stand for a setting of the node itself, by their kind."""


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the node with them."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[Action]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    node = LifecycleNode(
        package='mfaranet_ros',
        executable='segmentation_node',
        name=given['name'],
        namespace=given['camera'],
        parameters=[
            given['config_file'] or str(find_shared('config/segmentation.yaml')),
            _parameters(given),
        ],
        remappings=[(topic, given[topic]) for topic in ('image', 'camera_info')],
        arguments=['--ros-args', '--log-level', given['log_level']],
        output='screen',
    )
    return [*_dds_profile(context, given['dds_profile']), node]


def _parameters(given: dict[str, str]) -> dict[str, object]:
    """Return what the arguments set; those left empty set nothing."""
    parameters: dict[str, object] = {}
    settings = [f'{name}={given[key]}' for key, name in SETTINGS.items() if given[key]]
    for name, value in parse_settings(settings, PipelineConfig).items():
        parameters[name] = list(value) if isinstance(value, tuple) else value
    parameters.update({name: given[key] for key, name in TEXTS.items() if given[key]})
    for key, name in BOOLEANS.items():
        if given[key]:
            parameters[name] = parse_boolean(key, given[key])
    return parameters


def _dds_profile(context: LaunchContext, profile: str) -> list[Action]:
    """Name the profile in the environment of what is started from here on."""
    if profile == 'auto':
        profile = str(profile_to_set(context.environment) or 'none')
    if profile == 'none':
        return []
    return [SetEnvironmentVariable(profile_variable(context.environment), profile)]
