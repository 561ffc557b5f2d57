# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames of recordings that are worth labelling: score, choose, export, read back."""
