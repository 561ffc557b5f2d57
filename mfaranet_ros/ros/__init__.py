# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The thin ROS 2 shell: the only folder that imports rclpy and message packages."""
