# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`python -m mfaranet_ros.ros NAME [--ros-args ...]`: the executables where `ros2 run` is not."""

import sys

from mfaranet_ros.ros.process import EXECUTABLES

if __name__ == '__main__':
    name = sys.argv[1] if len(sys.argv) > 1 else ''
    if name not in EXECUTABLES:
        sys.exit(f'error: {name!r} is no executable, choose from {", ".join(EXECUTABLES)}')
    del sys.argv[1]
    EXECUTABLES[name]()
