"""The environment of the processes that tools start: which Fast DDS profile they run with."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from mfaranet_ros.errors import SourceError

OLD_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
NEW_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
OLD_DISTROS = ('humble', 'iron', 'jazzy')


def find_shared(name: str) -> Path:
    """Return a file that is installed beside the package, such as `config/fastdds.xml`.

    It is looked for in the source tree and under share/mfaranet_ros of the ROS workspaces and of
    this Python. Raises SourceError.
    """
    prefixes = [*filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(':')), sys.prefix]
    source_tree = Path(__file__).resolve().parents[2]
    folders = [source_tree, *(Path(prefix, 'share', 'mfaranet_ros') for prefix in prefixes)]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    places = ', '.join(map(str, folders))
    raise SourceError(f'{name} is not in {places}: install mfaranet_ros again or source it')


def with_profile(environment: Mapping[str, str], profile: Path | None) -> dict[str, str]:
    """Return the environment with that Fast DDS profile, or with Fast DDS's defaults for None."""
    result = {
        name: value
        for name, value in environment.items()
        if name not in (OLD_VARIABLE, NEW_VARIABLE)
    }
    if profile is not None:
        result[profile_variable(environment)] = str(profile)
    return result


def profile_variable(environment: Mapping[str, str]) -> str:
    """Return the variable Fast DDS reads: up to Jazzy the old one, which it warns of since."""
    distro = environment.get('ROS_DISTRO')
    is_old = distro in OLD_DISTROS if distro else _has_old_wheels()
    return OLD_VARIABLE if is_old else NEW_VARIABLE


def _has_old_wheels() -> bool:
    """Whether the ROS wheels bring Fast DDS 2, which was called Fast RTPS."""
    try:
        metadata.version('ros-fastrtps')
    except metadata.PackageNotFoundError:
        return False
    return True
