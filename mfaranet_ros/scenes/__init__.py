# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The synthetic scene: a procedural road with exact labels and metric ground truth."""
