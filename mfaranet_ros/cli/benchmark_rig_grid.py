# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How exact the fused grid of a rig is, against the ground truth of the synthetic scene.

Four cameras around a vehicle; true labels, or with --model what a network sees.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mfaranet_ros.cli.setting_arguments import add_model_arguments, model_config
from mfaranet_ros.core.config import FusionConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.versions import versions
from mfaranet_ros.evaluation.report.figures import metric_figures
from mfaranet_ros.evaluation.report.text import describe_metric
from mfaranet_ros.evaluation.runs.rig_scene import RigCameras, score_rig
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.scenes.rig import RigScene

MEMORIES = ('odometry', 'none')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scene, its frames, the memory, and the network."""
    parser.add_argument('--seed', type=int, default=0, metavar='N', help='of the scene')
    parser.add_argument('--first', type=int, default=0, metavar='N', help='first frame')
    parser.add_argument(
        '--frames', type=int, default=20, metavar='N', help='number of frames; default: 20'
    )
    parser.add_argument(
        '--memory', choices=MEMORIES, default=MEMORIES[0], help='fusion.memory; default: odometry'
    )
    add_model_arguments(parser, ('model', 'weights'))
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Score the frames and print the table; raises ConfigError for frames that are none."""
    rig = RigScene(args.seed)
    frames = range(args.first, args.first + args.frames)
    if not 0 <= frames.start < frames.stop <= len(rig):
        raise ConfigError(
            f'--first {args.first} --frames {args.frames}: the scene has the frames 0 to '
            f'{len(rig) - 1}, name at least one of them'
        )
    config = model_config(args)
    fusion = replace(FusionConfig(), {'memory': args.memory})
    processor = build_processor(config) if args.model or args.weights else None
    try:
        scores = score_rig(rig, RigCameras(rig, config, processor), config, fusion, frames)
    finally:
        if processor is not None:
            processor.close()
    labels = 'true labels' if processor is None else f'labels of {processor.network.name}'
    print(
        f'{", ".join(rig.scenes)}: {labels}, {args.frames} frames of seed {args.seed} from '
        f'{args.first}, memory {args.memory}'
    )
    print(describe_metric(scores.fused))
    print(f'flicker: {scores.flicker:.4f} of the cells whose ground truth stays')
    if args.json:
        write_json(
            args.json,
            {
                'seed': args.seed,
                'frames': list(frames),
                'memory': args.memory,
                'labels': labels,
                'flicker': scores.flicker,
                **metric_figures(scores.fused),
                'versions': versions(),
            },
        )
    return 0
