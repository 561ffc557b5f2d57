# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recordings without ROS: images, videos and bags, and their pairing with ground truth."""
