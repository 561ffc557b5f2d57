# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile of a process: the user's own, or the shipped one for large images."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from mfaranet_ros.core.errors import SourceError

logger = logging.getLogger(__name__)

OLD_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
NEW_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
SHARED_MEMORY = '/dev/shm'
LEAST_SHARED_MB = 256
"""Room for the shared-memory segments of camera, node and a few subscribers, 64 MB each."""

OLD_DISTROS = ('humble', 'iron', 'jazzy')


def find_shared(name: str) -> Path:
    """Return a file that is installed with the package, such as `config/fastdds.xml`.

    The source tree, the sourced ROS workspaces and this Python's prefix are searched in that
    order. Raises SourceError.
    """
    prefixes = [*filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(':')), sys.prefix]
    source_tree = Path(__file__).resolve().parents[2]
    folders = [source_tree, *(Path(prefix, 'share', 'mfaranet_ros') for prefix in prefixes)]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    places = ', '.join(map(str, folders))
    raise SourceError(f'{name} is not in {places}: install mfaranet_ros again or source it')


def profile_to_set(environment: Mapping[str, str]) -> Path | None:
    """Return the shipped profile for large images if it should be set, else None.

    A profile of the user's own stays. With too little shared memory for its segments Fast DDS
    could not start, so a warning is logged instead.
    """
    if environment.get(NEW_VARIABLE) or environment.get(OLD_VARIABLE):
        return None
    free_mb = free_shared_memory_mb()
    if free_mb < LEAST_SHARED_MB:
        logger.warning(
            'only %d MB are free in %s, so large images get lost between processes: in a '
            'container, give --shm-size=1g or --ipc=host',
            free_mb,
            SHARED_MEMORY,
        )
        return None
    return find_shared('config/fastdds.xml')


def free_shared_memory_mb() -> int:
    """Return how much shared memory is free in MB, 0 where there is none."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free >> 20
    except OSError:
        return 0


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
    """Return the variable Fast DDS reads: up to Jazzy the old name, deprecated since."""
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
