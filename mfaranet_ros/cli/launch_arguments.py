# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The arguments of the launch files, and the check of all of them before anything is started.

Nothing in this module imports launch, so that the check runs, and is tested, without ROS.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.dds import find_shared
from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.parsing import parse_count
from mfaranet_ros.core.settings import parse_boolean, parse_settings
from mfaranet_ros.data.bags.cameras import Camera, choose_camera
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.pairing import holds_video

SEGMENTATION_ARGUMENTS = {
    'camera': ('', 'namespace of the camera and of the node; empty: the root namespace'),
    'name': ('segmentation', 'name of the node'),
    'image': ('image', 'image topic, relative to the camera'),
    'camera_info': ('camera_info', 'calibration topic, relative to the camera'),
    'transport': ('', 'how images come, as input.transport; empty: as in the config file'),
    'config_file': (
        '',
        'parameter file, also the name of one of the package, as in small_device.yaml; '
        'empty: segmentation.yaml of the package',
    ),
    'model': ('', 'network, or a network file; empty: as in the config file'),
    'weights': ('', 'weights or network file; empty: as in the config file'),
    'labels': (
        '',
        'label set of weights that do not name it (published .pth: cityscapes); empty: as in the '
        'config file',
    ),
    'scales': ('', 'kept scales, such as 2 or 1,2,3,4; empty: as in the config file'),
    'device': ('', 'cpu, cuda, cuda:N or auto; empty: as in the config file'),
    'extrinsics': ('', 'auto, tf or parameters; empty: as in the config file'),
    'autostart': ('', 'false: a lifecycle manager starts it; empty: as in the config file'),
    'use_sim_time': ('false', 'take the time from /clock, as with `ros2 bag play --clock`'),
    'respawn': ('false', 'start the node again, after two seconds, when it ends by itself'),
    'dds_profile': (
        'auto',
        'Fast DDS profile (XML) for this launch; auto: the one for large images unless the '
        'environment names one; none: leave it as it is',
    ),
    'log_level': ('info', 'debug, info, warn, error or fatal'),
}
"""Name, default and description of each argument of segmentation.launch.py."""

REPLAY_ARGUMENTS = {
    'images': ('', 'folder of images to play'),
    'video': ('', 'video file to play'),
    'bag': ('', 'bag to play, with its clock'),
    'scene': ('', 'seed of the synthetic scene to play, such as 0'),
    'rate': ('0.0', 'images per second, for a bag its speed; 0.0: as recorded'),
    'loop': ('false', 'restart at the end'),
    'bag_player': ('auto', 'ros2: `ros2 bag play`; own: our player; auto: ros2 if installed'),
    'calibration': ('', 'camera_calibration YAML for the player; empty: a nominal camera'),
    'rviz': ('false', 'show the topics in RViz'),
}
"""The same for replay.launch.py, which takes those of segmentation.launch.py as well."""

RIG_ARGUMENTS = {
    'namespace': ('', 'namespace of the node and of its topics; empty: the root namespace'),
    'name': ('rig', 'name of the node'),
    'config_file': (
        'rig.yaml',
        'parameter file with the names of the cameras and their mounting, also the name of one of '
        'the package',
    ),
    'remap': ('', 'remap rules with blanks between them, such as front/image:=/cam0/image_raw'),
    'use_sim_time': ('false', 'take the time from /clock, as with `ros2 bag play --clock`'),
    'log_level': ('info', 'debug, info, warn, error or fatal'),
}
"""The same for rig.launch.py."""

SETTINGS = {
    'model': 'model.name',
    'weights': 'model.weights',
    'labels': 'model.labels',
    'scales': 'model.scales',
    'device': 'runtime.device',
    'extrinsics': 'ground.extrinsics',
}
"""The arguments that set a parameter of the pipeline."""

TEXTS = {'transport': 'input.transport'}
BOOLEANS = {'autostart': 'autostart', 'use_sim_time': 'use_sim_time'}
"""The arguments that set a parameter of the node itself, by their type."""

CHOICES = {
    'transport': ('', 'raw', 'compressed', 'video', 'ffmpeg', 'foxglove'),
    'log_level': ('debug', 'info', 'warn', 'error', 'fatal'),
    'bag_player': ('auto', 'ros2', 'own'),
}
SOURCES = ('images', 'video', 'bag', 'scene')

_NAME = re.compile(r'[A-Za-z_]\w*')
_NAMESPACE = re.compile(r'/?|/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*/?')
_TOPIC = re.compile(r'(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*')

_MAX_SEED = 2**31 - 1
_DISCOVERY_S = '2.0'
"""How long the publishers of a bag wait for the node to discover them."""


@dataclass(frozen=True)
class SegmentationLaunch:
    """What segmentation.launch.py starts."""

    config_file: Path
    parameters: Mapping[str, object]
    """The parameters that arguments set, as ROS takes them (lists instead of tuples)."""
    dds_profile: str
    """auto, none, or the path of a profile."""
    respawn: bool


@dataclass(frozen=True)
class RigLaunch:
    """What rig.launch.py starts; remappings: pairs of topic names."""

    config_file: Path
    remappings: tuple[tuple[str, str], ...]
    use_sim_time: bool


@dataclass(frozen=True)
class ReplayLaunch:
    """What replay.launch.py starts beside the node."""

    bag_command: tuple[str, ...]
    """`ros2 bag play` with its arguments; empty where our player plays."""
    player_parameters: Mapping[str, object]
    """The parameters of our player; empty where `ros2 bag play` plays."""
    use_sim_time: bool
    rviz: bool
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Arguments of segmentation.launch.py for this source, unless the user sets them."""


def check_segmentation(given: Mapping[str, str]) -> SegmentationLaunch:
    """Return what the arguments ask for; raises ConfigError or SourceError for a wrong one.

    given: the text of each argument in SEGMENTATION_ARGUMENTS.
    """
    _match(given, 'name', _NAME, 'letters, digits and underscores')
    _match(given, 'camera', _NAMESPACE, 'a namespace such as front or vehicle/front')
    for topic in ('image', 'camera_info'):
        _match(given, topic, _TOPIC, 'a topic name such as image_raw or /camera/image_raw')
    for name in ('transport', 'log_level'):
        _choose(given, name, CHOICES[name])
    profile = given['dds_profile']
    if profile not in ('auto', 'none') and not Path(profile).is_file():
        raise SourceError(f'dds_profile = {profile!r}: no such file; choose from auto, none, FILE')
    return SegmentationLaunch(
        config_file=find_config(given['config_file']),
        parameters=_parameters(given),
        dds_profile=profile,
        respawn=parse_boolean('respawn', given['respawn']),
    )


def check_rig(given: Mapping[str, str]) -> RigLaunch:
    """Return what the arguments ask for; raises ConfigError or SourceError for a wrong one.

    given: the text of each argument in RIG_ARGUMENTS.
    """
    _match(given, 'name', _NAME, 'letters, digits and underscores')
    _match(given, 'namespace', _NAMESPACE, 'a namespace such as vehicle')
    _choose(given, 'log_level', CHOICES['log_level'])
    return RigLaunch(
        config_file=find_config(given['config_file']),
        remappings=tuple(map(_remapping, given['remap'].split())),
        use_sim_time=parse_boolean('use_sim_time', given['use_sim_time']),
    )


def _remapping(rule: str) -> tuple[str, str]:
    names = rule.split(':=')
    if len(names) != 2 or not all(map(_TOPIC.fullmatch, names)):
        raise ConfigError(
            f'remap: {rule!r} is no rule; write rules such as front/image:=/cam0/image_raw'
        )
    return names[0], names[1]


def find_config(name: str) -> Path:
    """Return the parameter file of a path or of a name; empty: the defaults of the package.

    A relative name that does not exist is looked for in the config folder of the package, with
    or without `config/` in front. Raises SourceError.
    """
    path = Path(name).expanduser()
    if name and path.is_file():
        return path.resolve()
    shipped = find_shared('config/segmentation.yaml')
    if not name:
        return shipped
    own = shipped.parent / path.name
    if path.parent in (Path(), Path('config')) and own.is_file():
        return own
    names = ', '.join(sorted(file.name for file in shipped.parent.glob('*.yaml')))
    raise SourceError(f'config_file = {name!r}: no such file; the package has {names}')


def _parameters(given: Mapping[str, str]) -> dict[str, object]:
    """Return what the arguments set; those left empty set nothing."""
    settings = [f'{name}={given[key]}' for key, name in SETTINGS.items() if given[key]]
    parameters: dict[str, object] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in parse_settings(settings, PipelineConfig).items()
    }
    parameters.update({name: given[key] for key, name in TEXTS.items() if given[key]})
    for key, name in BOOLEANS.items():
        if given[key]:
            parameters[name] = parse_boolean(key, given[key])
    return parameters


def check_replay(given: Mapping[str, str], prefixes: Collection[str] = ()) -> ReplayLaunch:
    """Return what the arguments ask for; raises ConfigError or SourceError for a wrong one.

    given: the text of each argument in REPLAY_ARGUMENTS and SEGMENTATION_ARGUMENTS. prefixes:
    where ROS packages are installed, for RViz; default: AMENT_PREFIX_PATH.
    """
    chosen = [name for name in SOURCES if given[name]]
    if len(chosen) != 1:
        raise ConfigError(
            f'give one of images:=DIR, video:=FILE, bag:=DIR and scene:=SEED, not {len(chosen)}'
        )
    _choose(given, 'bag_player', CHOICES['bag_player'])
    for name, exists in (('images', Path.is_dir), ('video', Path.is_file),
                         ('calibration', Path.is_file)):  # fmt: skip
        if given[name] and not exists(Path(given[name])):
            raise SourceError(f'{name} = {given[name]!r}: does not exist')
    rviz = parse_boolean('rviz', given['rviz'])
    if rviz:
        _check_installed(('rviz2', 'tf2_ros'), prefixes)
    rate, loop = _rate(given), parse_boolean('loop', given['loop'])
    if given['bag']:
        return _bag(given, rate, loop, rviz)
    # Nobody publishes the mounting pose of the camera that took a folder of images.
    defaults = {} if given['scene'] else {'extrinsics': 'parameters'}
    return ReplayLaunch((), _player_parameters(given, rate, loop), False, rviz, defaults)


def _player_parameters(given: Mapping[str, str], rate: float, loop: bool) -> dict[str, object]:
    parameters: dict[str, object] = {
        'images': given['images'],
        'video': given['video'],
        'calibration': given['calibration'],
        'transport': given['transport'] or 'raw',
        'rate_hz': rate,
        'loop': loop,
    }
    if given['scene']:
        parameters.update(source='scene', seed=_seed(given['scene']))
    return parameters


def _bag(given: Mapping[str, str], rate: float, loop: bool, rviz: bool) -> ReplayLaunch:
    camera, transport = _recorded_camera(given)
    if transport != 'raw' and given['transport'] == 'raw':
        raise ConfigError(
            f"transport = 'raw': {camera.image.name} is compressed; leave transport empty"
        )
    defaults = {} if transport == 'raw' else {'transport': transport}
    if _plays_with_ros2(given['bag_player']):
        command = _bag_command(given, camera, rate, loop)
        return ReplayLaunch(command, {}, True, rviz, defaults)
    parameters: dict[str, object] = {
        'bag': given['bag'],
        'loop': loop,
        'image_topic': camera.image.name,
        **({'camera_info_topic': camera.info.name} if camera.info else {}),
        **({'rate': rate} if rate else {}),
    }
    return ReplayLaunch((), parameters, True, rviz, defaults)


def _recorded_camera(given: Mapping[str, str]) -> tuple[Camera, str]:
    """Return the camera of the bag and its transport; full names are those of the recording."""
    image, info = (
        given[topic] if given[topic].startswith('/') else '' for topic in ('image', 'camera_info')
    )
    with open_bag(given['bag']) as bag:
        if image and image not in bag.topics and f'{image}/compressed' in bag.topics:
            image = f'{image}/compressed'
        camera = choose_camera(bag, image, info)
        is_video = camera.compressed and holds_video(bag, camera.image)
        return camera, 'video' if is_video else camera.transport


def _bag_command(
    given: Mapping[str, str], camera: Camera, rate: float, loop: bool
) -> tuple[str, ...]:
    """Return `ros2 bag play`, with the recorded topics under the names the node listens to."""
    listens = full_name(given['camera'], given['image'])
    suffix = '' if camera.transport == 'raw' else f'/{camera.transport}'
    names = {camera.image.name: f'{listens}{suffix}'}
    if camera.info:
        names[camera.info.name] = full_name(given['camera'], given['camera_info'])
    remaps = [f'{old}:={new}' for old, new in names.items() if old != new]
    return (
        *('ros2', 'bag', 'play', given['bag'], '--clock', '100', '--delay', _DISCOVERY_S),
        *(('--rate', str(rate)) if rate else ()),
        *(('--loop',) if loop else ()),
        *(('--remap', *remaps) if remaps else ()),
    )


def full_name(namespace: str, name: str) -> str:
    """Return a name with its namespace in front, unless it starts with a slash already."""
    return name if name.startswith('/') else f'/{namespace.strip("/")}/{name}'.replace('//', '/')


def _plays_with_ros2(bag_player: str) -> bool:
    installed = importlib.util.find_spec('ros2bag') is not None
    if bag_player == 'ros2' and not installed:
        raise ConfigError("bag_player = 'ros2': ros2bag is not installed; use own or auto")
    return installed and bag_player != 'own'


def _check_installed(packages: Collection[str], prefixes: Collection[str]) -> None:
    prefixes = prefixes or os.environ.get('AMENT_PREFIX_PATH', '').split(':')
    for package in packages:
        marker = f'share/ament_index/resource_index/packages/{package}'
        if not any(Path(prefix, marker).exists() for prefix in prefixes if prefix):
            raise ConfigError(f"rviz = 'true': the package {package} is not installed")


def _choose(given: Mapping[str, str], name: str, allowed: Collection[str]) -> None:
    if given[name] not in allowed:
        names = ', '.join(choice for choice in allowed if choice)
        raise ConfigError(f'{name} = {given[name]!r}: choose from {names}')


def _match(given: Mapping[str, str], name: str, form: re.Pattern[str], what: str) -> None:
    if not form.fullmatch(given[name]):
        raise ConfigError(f'{name} = {given[name]!r}: must be {what}')


def _rate(given: Mapping[str, str]) -> float:
    try:
        rate = float(given['rate'])
    except ValueError:
        rate = math.nan
    low, high = (0.01, 100.0) if given['bag'] else (0.0, 1000.0)
    if rate != 0 and not low <= rate <= high:
        raise ConfigError(f'rate = {given["rate"]!r}: must be 0, or {low:g} to {high:g}')
    return rate


def _seed(text: str) -> int:
    seed = parse_count(text, _MAX_SEED)
    if seed is None:
        raise ConfigError(f'scene = {text!r}: must be a seed, 0 to {_MAX_SEED}')
    return seed
