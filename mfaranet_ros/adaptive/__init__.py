# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Operating points: what can run, which one runs, and swapping it between two frames."""
