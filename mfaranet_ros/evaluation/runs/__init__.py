# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The evaluation loop: samples in, records out, locally or in several processes."""
