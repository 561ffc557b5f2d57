# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The images on the surfaces of things: all drawn by rules, none of them a photograph."""
