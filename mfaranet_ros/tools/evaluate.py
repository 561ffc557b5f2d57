"""Score a network on pictures with known labels: IoU of each class, mean IoU, drivable area.

Every picture goes the way it goes in the node. With --submission the labels are also written as
the server of Cityscapes wants them, for which no truth is needed.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mfaranet_ros.errors import ConfigError, OutputError
from mfaranet_ros.evaluation.cityscapes import to_label_ids
from mfaranet_ros.evaluation.images import Pair, Pairs, TruthReader, check_pairs, find_pairs
from mfaranet_ros.evaluation.method import METHODS, Method, Runner
from mfaranet_ros.evaluation.report import describe, figures
from mfaranet_ros.evaluation.run import Evaluation, Labels, evaluate
from mfaranet_ros.labels import LabelSet
from mfaranet_ros.pipeline.config import PipelineConfig, settings_of, value_of
from mfaranet_ros.pipeline.segmentation import SegmentationPipeline
from mfaranet_ros.tools.about import about
from mfaranet_ros.tools.arguments import (
    add_model_arguments,
    model_config,
    parse_numbers,
    parse_size,
)
from mfaranet_ros.tools.report import write_json
from mfaranet_ros.tools.video import write_picture

WHOLE = 'whole'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pictures, the network, how it is run, and what is written."""
    parser.add_argument(
        '--images', type=Path, required=True, metavar='DIR', help='folder of the pictures'
    )
    parser.add_argument(
        '--truth', type=Path, metavar='DIR',
        help='folder of their class ids as 8-bit png of the same stems (Cityscapes: gtFine/val)',
    )  # fmt: skip
    parser.add_argument(
        '--ignore', default='', metavar='IDS',
        help='further ids of the truth that mean no class, as 30,31 (255 always does)',
    )  # fmt: skip
    add_model_arguments(parser)
    parser.add_argument(
        '--method', default=WHOLE, choices=METHODS,
        help="the paper's ways to run a network; default: whole",
    )  # fmt: skip
    parser.add_argument('--window', metavar='HxW', help='size of the parts, in px')
    parser.add_argument('--zooms', metavar='LIST', help='enlargements to add up, as 0.5,1,1.5')
    parser.add_argument('--flip', action='store_true', default=None, help='mirror each, too')
    parser.add_argument(
        '--submission', type=Path, metavar='DIR', help='write label ids of Cityscapes there'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')


def main(args: argparse.Namespace) -> int:
    """Check everything, run the network, print the scores and write what is asked for."""
    if args.truth is None and args.submission is None:
        raise ConfigError('nothing to do: give --truth DIR to score, or --submission DIR to write')
    config, method = _config(args), _method(args)
    pairs = find_pairs(args.images, args.truth)
    pipeline = SegmentationPipeline(config)
    try:
        return _run(args, pipeline, method, pairs)
    finally:
        pipeline.close()


def _run(
    args: argparse.Namespace, pipeline: SegmentationPipeline, method: Method, pairs: Pairs
) -> int:
    read_truth = TruthReader(pipeline.label_set, pairs.layout, _ignored(args.ignore))
    write = _submission(args.submission, pipeline.label_set)
    with _progress(pairs, 'checking') as bar:
        input_sha256 = check_pairs(pairs, read_truth, lambda: bar.update())
    facts = dict(pipeline.prepare())
    start = time.monotonic()
    with _progress(pairs, 'evaluating') as bar:

        def on_labels(pair: Pair, labels: Labels) -> None:
            write(pair, labels)
            bar.update()

        runner = Runner(pipeline, method)
        result = evaluate(runner, pairs, read_truth, pipeline.label_set, on_labels)
    seconds = time.monotonic() - start
    print(_heading(facts, method, len(pairs), seconds))
    if args.truth is not None:
        print(describe(result))
    if args.submission is not None:
        print(f'label ids of {len(pairs)} pictures written to {args.submission}')
    if args.json:
        given: dict[str, Any] = {
            'images': str(args.images),
            'truth': str(args.truth) if args.truth else None,
            'pictures': len(pairs),
            'sha256': input_sha256,
        }
        write_json(args.json, _report(pipeline.config, facts, method, given, seconds, result))
    return 0


def _report(
    config: PipelineConfig,
    facts: dict[str, str],
    method: Method,
    given: dict[str, Any],
    seconds: float,
    result: Evaluation,
) -> dict[str, Any]:
    return {
        'model': facts,
        'method': dataclasses.asdict(method),
        'input': given,
        'versions': about(),
        'config': {
            setting.name: value_of(config, setting.name) for setting in settings_of(config)
        },
        'seconds': round(seconds, 3),
        'scores': figures(result) if result.pictures else None,
    }


def _config(args: argparse.Namespace) -> PipelineConfig:
    config = model_config(args)
    if config.output.resolution != 'camera':
        raise ConfigError(
            f'output.resolution = {config.output.resolution!r}: pictures are scored at their own '
            'size, leave it at camera'
        )
    return config


def _method(args: argparse.Namespace) -> Method:
    """Return the named method with what is given of it besides."""
    given = {
        'window': parse_size(args.window, '--window') if args.window else None,
        'zooms': parse_numbers(args.zooms, '--zooms') if args.zooms else None,
        'flip': args.flip,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(METHODS[args.method], **changed)


def _ignored(text: str) -> list[int]:
    ids = parse_numbers(text, '--ignore') if text else ()
    if not all(number in range(256) for number in ids):
        raise ConfigError(f'--ignore {text}: ids are integers from 0 to 255')
    return [int(number) for number in ids]


def _submission(folder: Path | None, label_set: LabelSet) -> Callable[[Pair, Labels], None]:
    """Return what writes one picture's labels; raises ConfigError or OutputError."""
    if folder is None:
        return lambda pair, labels: None
    if label_set.name != 'cityscapes':
        raise ConfigError(
            f'--submission is for cityscapes, but the weights know {label_set.name}: leave it out '
            'or give weights trained on cityscapes'
        )
    ids = to_label_ids()

    def write(pair: Pair, labels: Labels) -> None:
        path = folder / Path(pair.name).with_name(f'{pair.picture.stem}.png')
        _make_folder(path.parent)
        write_picture(path, ids[labels])

    _make_folder(folder)
    return write


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot make {folder}: {error.strerror}; give another DIR') from error


def _progress(pairs: Pairs, what: str) -> Any:
    return tqdm(total=len(pairs), desc=what, unit='picture', leave=False, disable=None)


def _heading(facts: dict[str, str], method: Method, pictures: int, seconds: float) -> str:
    return (
        f'{facts["name"]}, scales {facts["scales"]}, {facts["label_set"]}, {facts["precision"]} '
        f'on {facts["device"]}\n{facts["weights"]} (sha256 {facts["weights_sha256"][:12]})\n'
        f'{pictures} pictures, {method}, {pictures / seconds:.2f} pictures/s\n'
    )
