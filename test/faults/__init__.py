# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Named faults and the answer to each, which docs/reliability.md lists; see catalogue.py."""
