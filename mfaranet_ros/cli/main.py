# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command `mfaranet VERB`: one verb per file, imported when it is called.

A verb's module has `add_arguments(parser)` and `main(args) -> int`, the exit code.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from mfaranet_ros import __version__
from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.core.registry import Registry


@dataclass(frozen=True)
class Verb:
    """Where a verb lives and what it does, in a few words."""

    module: str
    summary: str


VERBS: Registry[Verb] = Registry('verb')
"""Every verb by its name, in the order of `mfaranet --help`."""

for _name, _verb in {
    'demo': Verb('mfaranet_ros.cli.demo', 'play the synthetic scene or images through the node'),
    'benchmark': Verb('mfaranet_ros.cli.benchmark', 'measure what this machine can do'),
    'evaluate': Verb('mfaranet_ros.cli.evaluate', 'score a network on images or bags'),
    'compare': Verb('mfaranet_ros.cli.compare', 'compare two evaluations: better, or noise?'),
    'report': Verb('mfaranet_ros.cli.report', 'put several evaluations on one page'),
    'curate': Verb('mfaranet_ros.cli.curate', 'choose frames that are worth labelling'),
    'scene': Verb('mfaranet_ros.cli.scene', 'write the synthetic scene as images or a bag'),
    'record': Verb('mfaranet_ros.cli.record', 'record what the node publishes into a bag'),
    'train': Verb('mfaranet_ros.cli.train', 'train a network, or resume a training'),
    'calibrate': Verb('mfaranet_ros.cli.calibrate', 'calibrate the confidence of a network'),
    'inspect': Verb(
        'mfaranet_ros.cli.inspect', 'show what a network file of others needs, and try it'
    ),
    'export': Verb('mfaranet_ros.cli.export', 'write a network as an ONNX file'),
    'quantise': Verb('mfaranet_ros.cli.quantise', 'write a network as an INT8 file'),
    'prepare': Verb('mfaranet_ros.cli.prepare', 'build the engines of a configuration ahead'),
    'models': Verb('mfaranet_ros.cli.models', 'list the networks, their size and weights'),
}.items():
    VERBS[_name] = _verb


def register_verb(name: str, module: str, summary: str) -> None:
    """Add a verb; raises ConfigError for a name that is taken.

    module: where its `add_arguments(parser)` and `main(args) -> int` are. summary: for --help.
    """
    VERBS[name] = Verb(module, summary)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 2 for what was given wrongly, 130 after Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, format='%(levelname)s %(name)s: %(message)s')
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may hold bytes that are no text
        sys.stdout.reconfigure(errors='backslashreplace')
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not arguments or arguments[0].startswith('-'):
            return _without_verb(arguments)
        return _run(arguments[0], arguments[1:])
    except MfaranetError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(name: str, arguments: Sequence[str]) -> int:
    verb = VERBS[name]
    module = importlib.import_module(verb.module)
    parser = argparse.ArgumentParser(prog=f'mfaranet {name}', description=module.__doc__)
    module.add_arguments(parser)
    return int(module.main(parser.parse_args(arguments)))


def _without_verb(arguments: Sequence[str]) -> int:
    """Answer --help and --version; anything else without a verb is refused."""
    parser = argparse.ArgumentParser(
        prog='mfaranet',
        usage='mfaranet VERB [ARGUMENTS]',
        description='\n'.join(f'  {name:<12}{verb.summary}' for name, verb in VERBS.items()),
        epilog='mfaranet VERB --help lists the arguments of a verb.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'mfaranet_ros {__version__}')
    parser.parse_args(arguments)
    parser.error(f'no verb was given: choose from {", ".join(VERBS)}')
