"""How fast networks run here, camera bytes to labels, against the network as published.

Rungs, precisions and backends are measured in turn with plain float32, so that the ratios hold
on a busy machine, too.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from mfaranet_ros.benchmark.ladder_file import choose_rungs, to_yaml
from mfaranet_ros.benchmark.machine import describe_machine
from mfaranet_ros.benchmark.measure import empty_stage_us
from mfaranet_ros.benchmark.picture import draw
from mfaranet_ros.benchmark.report import describe, figures
from mfaranet_ros.benchmark.run import Benchmark, Truth, run_benchmark
from mfaranet_ros.errors import ConfigError, UnknownNameError
from mfaranet_ros.evaluation.images import TruthReader, check_pairs, find_pairs, read_frame
from mfaranet_ros.frame import Frame
from mfaranet_ros.pipeline.backends import list_backends
from mfaranet_ros.pipeline.config import PipelineConfig, replace
from mfaranet_ros.pipeline.ladder import parse_rung
from mfaranet_ros.pipeline.network import load_network
from mfaranet_ros.pipeline.stored_frame import stored_frame
from mfaranet_ros.tools.about import about
from mfaranet_ros.tools.arguments import add_model_arguments, model_config, parse_size
from mfaranet_ros.tools.report import write_json, write_text
from mfaranet_ros.tools.video import write_picture

RUNGS = '1,2,3,4 1,2 2 1'
SIZE = '512x1024'
FLAGS = ('model', 'weights', 'device')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the network, the rows, the pictures, how often, and what is written."""
    add_model_arguments(parser, FLAGS)
    parser.add_argument(
        '--rungs', default=RUNGS, metavar='LIST',
        help=f'kept scales or other networks, each with @HEIGHTxWIDTH if the input differs, as in '
        f'"1,2,3,4 2@360x480 eseg_lite_s=FILE"; default: "{RUNGS}"',
    )  # fmt: skip
    parser.add_argument(
        '--precisions', default='auto', metavar='LIST', help='as float32,bfloat16; default: auto'
    )
    parser.add_argument(
        '--backends', metavar='LIST', help='as torch,compiled; default: all but the mock'
    )
    parser.add_argument(
        '--size', metavar='HxW', help=f'of the camera picture, in px; default: {SIZE}'
    )
    parser.add_argument(
        '--images', type=Path, metavar='DIR', help='pictures to measure with; default: a drawn one'
    )
    parser.add_argument(
        '--truth', type=Path, metavar='DIR', help='their class ids, for the mean IoU of each row'
    )
    parser.add_argument('--rounds', type=int, default=5, metavar='N', help='default: 5')
    parser.add_argument(
        '--turn', type=int, default=4, metavar='N', help='frames of a row in a round; default: 4'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    parser.add_argument(
        '--picture', type=Path, metavar='FILE', help='draw latency against mean IoU, as png'
    )
    parser.add_argument(
        '--write-config', type=Path, metavar='FILE', help='write the ladder for this machine'
    )


def main(args: argparse.Namespace) -> int:
    """Check everything, measure, print the table and write what is asked for."""
    if min(args.rounds, args.turn) < 1:
        raise ConfigError(f'--rounds {args.rounds}, --turn {args.turn}: both must be 1 or more')
    base = model_config(args)
    frames = _frames(args)
    configs = _configs(args, base, frames[0].size)
    truth = _truth(args, base)
    overhead_us = empty_stage_us()
    with tqdm(total=0, bar_format='{desc}', leave=False, disable=None) as bar:
        benchmark = run_benchmark(
            base, configs, frames, rounds=args.rounds, turn=args.turn, truth=truth,
            tell=bar.set_description_str,
        )  # fmt: skip
    machine = describe_machine(base.runtime.device, base.runtime.threads)
    print(_heading(base, machine, frames, overhead_us), describe(benchmark), sep='\n')
    facts = {**about(), **machine}
    if args.json:
        given = {'images': str(args.images or 'drawn'), 'camera': list(frames[0].size)}
        write_json(args.json, _report(benchmark, facts, given, overhead_us))
    if args.picture:
        write_picture(args.picture, draw(benchmark))
    if args.write_config:
        write_text(args.write_config, to_yaml(choose_rungs(benchmark), facts, base.model.name))
    return 0


def _frames(args: argparse.Namespace) -> list[Frame]:
    """Return the camera pictures, all of one size."""
    if args.images is None:
        if args.truth is not None:
            raise ConfigError('--truth is of pictures: give --images, too')
        frames = [stored_frame()]
    else:
        frames = [read_frame(pair.picture) for pair in find_pairs(args.images, None).pairs]
    size = frames[0].size if args.images and not args.size else None
    height, width = size or parse_size(args.size or SIZE, '--size')
    return [_resized(frame, height, width) for frame in frames]


def _resized(frame: Frame, height: int, width: int) -> Frame:
    if frame.size == (height, width):
        return frame
    pixels = cv2.resize(frame.pixels, (width, height), interpolation=cv2.INTER_AREA)
    return Frame(np.asarray(pixels, np.uint8), frame.encoding, frame.stamp_ns, frame.frame_id)


def _configs(
    args: argparse.Namespace, base: PipelineConfig, camera: tuple[int, int]
) -> list[PipelineConfig]:
    """Return one config for each row: rungs, then backends, then precisions."""
    backends = args.backends.split(',') if args.backends else _all_backends()
    for backend in backends:
        if backend not in list_backends():
            raise UnknownNameError('backend', backend, list_backends())
    configs = []
    for text in args.rungs.split():
        rung = parse_rung(text)
        if rung.size is None:
            rung = dataclasses.replace(rung, size=camera)
        for backend in backends:
            for precision in args.precisions.split(','):
                values = {'runtime.backend': backend, 'runtime.precision': precision}
                configs.append(rung.applied_to(replace(base, values)))
    return configs


def _all_backends() -> list[str]:
    return [name for name in list_backends() if name != 'mock']


def _truth(args: argparse.Namespace, base: PipelineConfig) -> Truth | None:
    if args.truth is None:
        return None
    pairs = find_pairs(args.images, args.truth)
    label_set = load_network(base.model).label_set
    read = TruthReader(label_set, pairs.layout)
    check_pairs(pairs, read)
    return Truth(pairs, read, label_set)


def _heading(
    base: PipelineConfig, machine: dict[str, str], frames: Sequence[Frame], overhead_us: float
) -> str:
    height, width = frames[0].size
    lines = [f'{base.model.name}, {len(frames)} camera picture(s) of {width}x{height} px']
    lines += [', '.join(f'{name} {value}' for name, value in machine.items())]
    lines += [f'an empty stage measures as {overhead_us:.2f} microseconds', '']
    return '\n'.join(lines)


def _report(
    benchmark: Benchmark, facts: dict[str, str], given: dict[str, Any], overhead_us: float
) -> dict[str, Any]:
    return {
        'machine': facts,
        'input': given,
        'empty_stage_us': overhead_us,
        **figures(benchmark),
    }
