# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reports: JSON, HTML, comparison and annotated images."""
