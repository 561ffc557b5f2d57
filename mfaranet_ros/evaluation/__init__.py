# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How good a network is: confusion matrix, scores, and the ways of running it over images."""
