# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""MFARANet semantic segmentation for ROS 2: camera topics in, masks and drivable area out."""

import os

__version__ = '0.1.0'

# Before torch is imported anywhere: its OpenMP threads otherwise spin while they wait, which on
# a CPU that other nodes share too makes a frame many times slower.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
