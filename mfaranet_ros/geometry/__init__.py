# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ground in metres: cameras, mounting, rays and the grid, without torch."""
