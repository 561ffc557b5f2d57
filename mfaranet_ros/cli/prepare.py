# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Build and cache every engine of a configuration before the vehicle starts.

The node then finds them in the cache. Run it again after an update of the package, of OpenVINO,
ONNX Runtime or torch, of the weights, and on each kind of machine.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from mfaranet_ros.adaptive.operating_points import operating_points_of
from mfaranet_ros.backends.cache import cache_root
from mfaranet_ros.cli.setting_arguments import add_set_argument
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.parameter_file import read_parameter_file
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.core.settings import parse_settings
from mfaranet_ros.pipeline.build import build_processor, prepare
from mfaranet_ros.pipeline.prepared import note


@dataclass(frozen=True)
class Prepared:
    """One operating point: how long its engine took, what runs it, and the files it added."""

    operating_point: str
    seconds: float
    backend: str
    precision: str
    megabytes: float
    files: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the parameter file and single settings."""
    parser.add_argument(
        '--config', type=Path, required=True, metavar='FILE', help='parameter file of the node'
    )
    add_set_argument(parser)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')


def main(args: argparse.Namespace) -> int:
    """Build every operating point, print how long each took and where it lies; return 0."""
    config = replace(read_parameter_file(args.config), parse_settings(args.set, PipelineConfig))
    points = operating_points_of(config)
    done = []
    with Progress(len(points), 'engine') as progress:
        for point in points:
            progress.describe(str(point))
            prepared = prepare_one(str(point), point.applied_to(config))
            progress.say(
                f'{prepared.operating_point}: {prepared.seconds:.1f} s, {prepared.backend} in '
                f'{prepared.precision}, {len(prepared.files)} new files, '
                f'{prepared.megabytes:.1f} MB'
            )
            progress.update()
            done.append(prepared)
    total = sum(each.seconds for each in done)
    print(f'{len(done)} engines ready in {total:.1f} s, in {cache_root()}')
    if args.json:
        write_json(args.json, {'cache': str(cache_root()), 'engines': [asdict(x) for x in done]})
    return 0


def prepare_one(label: str, config: PipelineConfig) -> Prepared:
    """Build, test and warm up one configuration, and note what it was made with.

    Raises what `build_processor` and `prepare` raise, and OutputError where the cache is full.
    """
    before = _files()
    start_s = time.monotonic()
    processor = build_processor(config, label=label)
    try:
        facts = dict(prepare(processor))
    finally:
        processor.close()
    seconds = time.monotonic() - start_s
    note(config, facts['weights_sha256'])
    added = sorted(_files() - before)
    size = sum(Path(path).stat().st_size for path in added)
    return Prepared(label, seconds, facts['backend'], facts['precision'], size / 1e6, tuple(added))


def _files() -> set[str]:
    root = cache_root()
    return {str(path) for path in root.rglob('*') if path.is_file()} if root.is_dir() else set()
