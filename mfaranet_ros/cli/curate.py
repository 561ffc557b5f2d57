# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Choose the frames of bags, videos and folders that are worth labelling, and export them.

Later, `mfaranet curate --corrected MASKS --curated DIR --out NEW` reads the corrected masks back.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mfaranet_ros.cli.setting_arguments import add_model_arguments, model_config, parse_numbers
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.curation.corrected import read_corrected
from mfaranet_ros.curation.exports import EXPORTS
from mfaranet_ros.curation.ground_truth import write_ground_truth_bags, write_training_folder
from mfaranet_ros.curation.picks import read_curation
from mfaranet_ros.curation.run import Wanted, curate, refuse_existing
from mfaranet_ros.curation.scoring import VALUES, score_recordings
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.processor import FrameProcessor

COUNT = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recordings, how frames are scored, and what is written or read back."""
    parser.add_argument(
        'recordings', type=Path, nargs='*', metavar='PATH', help='bags, videos, folders of images'
    )
    parser.add_argument(
        '--count', type=int, default=COUNT, metavar='N',
        help=f'how many frames to choose; default: {COUNT}',
    )  # fmt: skip
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='a new folder')
    parser.add_argument(
        '--export',
        default='plain',
        metavar='LIST',
        help=f'of {", ".join(EXPORTS)}; default: plain',
    )
    parser.add_argument(
        '--by', default=','.join(VALUES), metavar='LIST',
        help=f'what makes a frame worth labelling; default: all of {", ".join(VALUES)}',
    )  # fmt: skip
    parser.add_argument(
        '--known', type=Path, metavar='DIR', help='the images that the network was trained on'
    )
    parser.add_argument(
        '--second-model', metavar='NAME', help='a second network, for the disagreement'
    )
    parser.add_argument('--second-weights', metavar='FILE', help='its weights')
    parser.add_argument(
        '--second-scales', metavar='LIST', help='or the same network with these scales only'
    )
    parser.add_argument('--image-topic', default='', metavar='TOPIC', help='of bags')
    parser.add_argument(
        '--step', type=int, default=1, metavar='N', help='look at every N-th frame; default: 1'
    )
    add_model_arguments(parser)
    group = parser.add_argument_group('reading corrected masks back')
    group.add_argument(
        '--corrected', type=Path, metavar='PATH',
        help='the export of CVAT, Label Studio or FiftyOne, or a folder with labels/',
    )  # fmt: skip
    group.add_argument('--curated', type=Path, metavar='DIR', help='the folder curate wrote')


def main(args: argparse.Namespace) -> int:
    """Choose frames, or read back what was corrected."""
    refuse_existing(args.out)
    if (args.corrected is None) != (args.curated is None):
        raise ConfigError('--corrected PATH and --curated DIR belong together: give both')
    if args.corrected is not None:
        if args.recordings:
            raise ConfigError('--corrected reads masks back: leave out the recordings')
        return _read_back(args)
    _check(args)
    return _curate(args)


def _check(args: argparse.Namespace) -> None:
    for name in args.export.split(','):
        if name not in EXPORTS:
            raise ConfigError(f'--export {name}: choose from {", ".join(EXPORTS)}')
    for name in args.by.split(','):
        if name not in VALUES:
            raise ConfigError(f'--by {name}: choose from {", ".join(VALUES)}')
    if not args.recordings:
        raise ConfigError('nothing to look at: give bags, videos or folders of images')
    if args.count < 1 or args.step < 1:
        raise ConfigError(f'--count {args.count}, --step {args.step}: must be 1 or more')


def _curate(args: argparse.Namespace) -> int:
    config = model_config(args)
    processor = build_processor(config)
    second = None
    try:
        second = _second(args, config)
        with Progress(0, 'frame', 'scoring') as progress:
            scored = score_recordings(
                args.recordings, processor, second=second, known=args.known,
                image_topic=args.image_topic, step=args.step, on_frame=progress.update,
            )  # fmt: skip
        wanted = Wanted(
            args.count, tuple(args.by.split(',')), tuple(args.export.split(',')), args.image_topic
        )
        curation = curate(scored, processor, wanted, args.out)
    finally:
        processor.close()
        if second is not None:
            second.close()
    for note in scored.notes:
        print(f'warning: {note}', file=sys.stderr)
    print(
        f'{len(curation.picks)} of {len(scored.candidates)} frames chosen: '
        f'{args.out / "report.html"}'
    )
    return 0


def _second(args: argparse.Namespace, config: PipelineConfig) -> FrameProcessor | None:
    """Return the network or operating point that the first one is compared with."""
    changes: dict[str, object] = {}
    if args.second_model or args.second_weights:
        changes = {
            'model.name': args.second_model or config.model.name,
            'model.weights': args.second_weights or '',
        }
    if args.second_scales:
        scales = parse_numbers(args.second_scales, '--second-scales')
        changes['model.scales'] = tuple(int(each) for each in scales)
    return build_processor(replace(config, changes)) if changes else None


def _read_back(args: argparse.Namespace) -> int:
    curation = read_curation(args.curated)
    corrected = read_corrected(args.corrected, curation)
    write_training_folder(args.out, args.curated, corrected.masks)
    bags = write_ground_truth_bags(args.out, curation, corrected.masks)
    for note in corrected.notes:
        print(f'warning: {note}', file=sys.stderr)
    print(f'{len(corrected.masks)} masks read; train with {args.out / "images"} and labels/')
    for bag in bags:
        print(f'evaluate --bag {bag} --ground-truth-topic /ground_truth/labels')
    return 0
