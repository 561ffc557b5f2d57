# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Counters, latency, input health and diagnostics as plain values."""
