# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every room shares: errors, values that travel, labels, settings, files."""
