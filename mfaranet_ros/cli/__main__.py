# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`python -m mfaranet_ros.cli VERB`: the command where no `mfaranet` is on the path."""

import sys

from mfaranet_ros.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
