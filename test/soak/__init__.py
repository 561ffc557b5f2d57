# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A long run of the node under random use and faults; see docs/reliability.md and __main__.py."""
