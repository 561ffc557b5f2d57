# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""INT8 files of networks: made by post-training quantisation, measured before they are written."""
