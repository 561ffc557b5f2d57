# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How fast networks are on this machine, and how that compares with the network as published."""
