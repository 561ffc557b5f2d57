# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Broken input for every reader: random changes of small valid files, and random values.

The promise that is tested: a reader returns a value or raises a MfaranetError of one line, never
anything else, and never takes more memory than its limit. The tests have a small fixed budget;
`./dev fuzz --minutes N` goes on with new changes.
"""
