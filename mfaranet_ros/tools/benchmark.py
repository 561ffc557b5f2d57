"""Measure what this machine can do."""

from __future__ import annotations

import argparse

from mfaranet_ros.tools import transport

BENCHMARKS = {'transport': transport}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one subcommand for each benchmark."""
    kinds = parser.add_subparsers(dest='kind', metavar='BENCHMARK', required=True)
    for name, module in BENCHMARKS.items():
        summary = (module.__doc__ or '').partition('\n')[0]
        module.add_arguments(kinds.add_parser(name, help=summary, description=summary))


def main(args: argparse.Namespace) -> int:
    """Run the one that was named."""
    return int(BENCHMARKS[args.kind].main(args))
