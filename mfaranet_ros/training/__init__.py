# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Training: datasets, augmentation, the published loss, and one readable loop."""
