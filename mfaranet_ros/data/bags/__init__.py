# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bags of ROS 2 without ROS: reading, writing, and what is left of damaged ones."""
