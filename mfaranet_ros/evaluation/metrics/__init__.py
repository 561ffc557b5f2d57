# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is measured: confusion matrices, calibration, flicker and metres."""
