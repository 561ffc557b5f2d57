# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command `mfaranet`: one verb per file, arguments and printing only."""
