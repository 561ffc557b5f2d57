# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measure what this machine can do: networks, messages, the metric ground, the scene."""

from __future__ import annotations

import argparse

from mfaranet_ros.cli import (
    benchmark_drawing,
    benchmark_ground,
    benchmark_network,
    benchmark_rig,
    benchmark_rig_grid,
    benchmark_start,
    benchmark_transport,
)

BENCHMARKS = {
    'network': benchmark_network,
    'transport': benchmark_transport,
    'ground': benchmark_ground,
    'drawing': benchmark_drawing,
    'rig': benchmark_rig,
    'rig-grid': benchmark_rig_grid,
    'start': benchmark_start,
}

DEFAULT = 'network'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one subcommand for each benchmark, and the arguments of the default one."""
    BENCHMARKS[DEFAULT].add_arguments(parser)
    kinds = parser.add_subparsers(
        dest='kind', metavar='BENCHMARK', help=f'{", ".join(BENCHMARKS)}; default: {DEFAULT}'
    )
    for name, module in BENCHMARKS.items():
        summary = (module.__doc__ or '').partition('\n')[0]
        module.add_arguments(kinds.add_parser(name, help=summary, description=summary))


def main(args: argparse.Namespace) -> int:
    """Run the one that was named."""
    return int(BENCHMARKS[args.kind or DEFAULT].main(args))
