# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One frame, in order, from message to results; no ROS import anywhere in here."""
