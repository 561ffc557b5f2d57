# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Score a network on images or bags: IoU, drivable area, flicker, confidence, latency.

Every frame goes the way it goes in the node. Ground truth is a folder of class ids or, in a bag, a
topic; without it there are flicker and latency. --out DIR gets report.html and report.json. With
--submission the labels are also written as the server of Cityscapes wants them. The exit code is 3
where a bag is cut off: what there is of it is scored.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from mfaranet_ros.adaptive.operating_points import OperatingPoint
from mfaranet_ros.cli.comparison_arguments import add_comparison_arguments, read_comparison
from mfaranet_ros.cli.setting_arguments import (
    add_model_arguments,
    model_config,
    parse_numbers,
    parse_size,
)
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json, write_text
from mfaranet_ros.core.frame import Output
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.data.calibration_file import read_calibration
from mfaranet_ros.data.images import Pairs, find_pairs
from mfaranet_ros.evaluation.report.annotate import MakeAnnotatedBag, outputs_in_bag
from mfaranet_ros.evaluation.report.figures import about, report
from mfaranet_ros.evaluation.report.frame_images import choose, show
from mfaranet_ros.evaluation.report.parquet import has_parquet, write_tables
from mfaranet_ros.evaluation.report.sinks import MakeVideo, make_submission
from mfaranet_ros.evaluation.report.text import describe_results, heading
from mfaranet_ros.evaluation.runs.bag_source import BagChoice
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.jobs import MakeSink, RunConfig
from mfaranet_ros.evaluation.runs.method import METHODS, Method
from mfaranet_ros.evaluation.runs.parts import Results
from mfaranet_ros.evaluation.runs.ray_cluster import RayCluster
from mfaranet_ros.evaluation.runs.run import (
    PAGE,
    REPORT,
    count_frames,
    open_frame_log,
    run_evaluation,
)
from mfaranet_ros.evaluation.runs.sources import Selection
from mfaranet_ros.evaluation.runs.specs import (
    FolderSpec,
    SourceSummary,
    Spec,
    bag_specs,
    check_folder,
    is_url,
    name_bags,
)
from mfaranet_ros.geometry.camera import read_camera_info
from mfaranet_ros.pipeline.build import build_processor, prepare
from mfaranet_ros.pipeline.processor import FrameProcessor

WHOLE = 'whole'

CUT_OFF = 3
"""The exit code where a bag is cut off."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the frames, their ground truth, the network, how it is run, and what is written."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--images', type=Path, metavar='DIR', help='folder of the images')
    source.add_argument(
        '--bag', type=_path_or_url, nargs='+', metavar='BAG',
        help='recordings: folders, .mcap or .db3 files, or URLs such as s3://BUCKET/DRIVE.mcap; '
        'each is scored alone and all together',
    )  # fmt: skip
    parser.add_argument(
        '--ground-truth', type=Path, metavar='DIR',
        help='folder of their class ids as 8-bit png of the same stems (Cityscapes: gtFine/val); '
        'for bags named by stamp, in ns or as SECONDS.NANOSECONDS',
    )  # fmt: skip
    parser.add_argument(
        '--ignore', default='', metavar='IDS',
        help='further ids of the ground truth that mean no class, as 30,31 (255 always does)',
    )  # fmt: skip
    parser.add_argument(
        '--calibration', type=Path, metavar='FILE',
        help='of the camera of the images (YAML), mounted as --set ground.z and so on say; a '
        'bag has its own',
    )  # fmt: skip
    parser.add_argument(
        '--metric', type=Path, metavar='DIR',
        help='folder of the true grids of the images, as `mfaranet scene` writes them',
    )  # fmt: skip
    parser.add_argument(
        '--frames', default='', metavar='START:STOP:STEP', help='which of each, as 100:200:5'
    )
    _add_bag_arguments(parser)
    add_model_arguments(parser)
    parser.add_argument(
        '--method', default=WHOLE, choices=METHODS,
        help="the paper's ways to run a network; default: whole",
    )  # fmt: skip
    parser.add_argument('--window', metavar='HxW', help='size of the parts, in px')
    parser.add_argument(
        '--test-time-scales', metavar='LIST', help='enlargements to add up, as 0.5,1,1.5'
    )
    parser.add_argument(
        '--flip', action='store_true', default=None, help='also average over the mirrored image'
    )
    add_comparison_arguments(parser)
    _add_output_arguments(parser)


def _add_bag_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('bags')
    group.add_argument(
        '--image-topic', default='', metavar='TOPIC', help='default: the only camera there is'
    )
    group.add_argument(
        '--ground-truth-topic', default='', metavar='TOPIC', help='class ids as Image of mono8'
    )
    group.add_argument(
        '--grid-topic', default='', metavar='TOPIC', help='true grids as OccupancyGrid'
    )
    group.add_argument(
        '--boundary-topic', default='', metavar='TOPIC',
        help='true ends of the free space as PolygonStamped; default: read off the true grids',
    )  # fmt: skip
    group.add_argument(
        '--tolerance-ms', type=float, default=0.0, metavar='MS',
        help='how much the stamps of a frame and its ground truth may differ; default: 0',
    )  # fmt: skip
    group.add_argument(
        '--jobs', type=int, default=1, metavar='N',
        help='number of bags to run in parallel, each in its own process; same figures',
    )  # fmt: skip
    group.add_argument(
        '--ray', default='', metavar='ADDRESS',
        help='run one bag per task on this Ray cluster, or on a local one by auto; same figures',
    )  # fmt: skip
    group.add_argument(
        '--workers', type=int, default=0, metavar='N',
        help='workers on the cluster; default: one for each of its CPUs or --gpus-per-worker',
    )  # fmt: skip
    group.add_argument(
        '--gpus-per-worker', type=float, default=0.0, metavar='N', help='may be 0.5; default: 0'
    )


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('output')
    group.add_argument(
        '--out', type=Path, metavar='DIR', help='a new folder for report.html and report.json'
    )
    group.add_argument(
        '--overwrite', action='store_true', help='replace an existing --out and --write-bag'
    )
    group.add_argument(
        '--resume',
        action='store_true',
        help='continue the evaluation in --out; the result is the same',
    )
    group.add_argument('--video', action='store_true', help='an annotated video in --out')
    group.add_argument(
        '--write-bag', type=Path, metavar='BAG',
        help='a copy of the bag with the results beside its topics; a folder for several bags',
    )  # fmt: skip
    group.add_argument(
        '--submission', type=Path, metavar='DIR', help='write label ids of Cityscapes there'
    )
    group.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')


def main(args: argparse.Namespace) -> int:
    """Check everything, run the network, print the scores and write what is asked for."""
    _check(args)
    config, method = _config(args), _method(args)
    selection, ignored = Selection.parse(args.frames), _ignored(args.ignore)
    pairs = find_pairs(args.images, args.ground_truth) if args.images else None
    pipeline = build_processor(config, label=str(OperatingPoint.of(config)))
    try:
        comparison = read_comparison(
            args,
            pipeline.label_set,
            has_ground_truth=bool(args.ground_truth or args.ground_truth_topic),
        )
        also = outputs_in_bag() if args.write_bag else frozenset[Output]()
        plan = RunConfig(
            config, method, also=also, step=selection.step, sinks=_sinks(args, pipeline),
            comparison=comparison,
        )  # fmt: skip
        if pairs is None:
            specs = _bags(args, selection, ignored)
        else:
            specs = [_folder(args, pairs, comparison, selection, ignored)]
        results = _run(args, pipeline, specs, plan)
    finally:
        pipeline.close()
    if args.submission is not None:
        print(f'label ids of {len(results.together.frames)} images written to {args.submission}')
    for text in results.truncated:
        print(f'warning: {text}', file=sys.stderr)
    return CUT_OFF if results.truncated else 0


def _run(
    args: argparse.Namespace, pipeline: FrameProcessor, specs: Sequence[Spec], plan: RunConfig
) -> Results:
    """Run the evaluation with a progress bar, print the scores and write the reports."""
    total = 0 if args.ray else count_frames(specs, pipeline, plan.compared(pipeline))
    model = dict(prepare(pipeline))
    log = open_frame_log(
        pipeline, specs, plan, args.out, overwrite=args.overwrite, resume=args.resume
    )
    with ExitStack() as stack:
        stack.enter_context(log)
        cluster, jobs = None, args.jobs
        if args.ray:
            cluster = stack.enter_context(_cluster(args, plan))
            jobs = cluster.workers
        unit, text = ('bag', f'on {jobs} workers') if args.ray else ('frame', 'evaluating')
        done = 0 if args.ray else log.resumed.frames
        progress = stack.enter_context(
            Progress(len(specs) if args.ray else total, unit, text, done=done)
        )

        def on_bag(summary: SourceSummary) -> None:
            progress.say(bag_line(summary))
            progress.update()

        results, speed = run_evaluation(
            pipeline, specs, plan, log, jobs=jobs, cluster=cluster,
            on_frame=(lambda: None) if args.ray else progress.update,
            on_source=on_bag if args.ray else (lambda summary: None),
        )  # fmt: skip
    facts = about(pipeline, model, specs, results, speed, plan)
    print(heading(facts, results), describe_results(results, facts.budget_ms), sep='\n')
    if args.json is not None:
        write_json(args.json, report(facts, results))
    if args.out is not None:
        # Here, because matplotlib is slow to import and only the page needs it.
        from mfaranet_ros.evaluation.report.page import render

        # The bags of a cluster may be out of reach here.
        chosen = () if args.ray else choose(results.together)
        shown = show(chosen, specs, pipeline, plan)
        write_json(args.out / REPORT, report(facts, results))
        if has_parquet():
            write_tables(results, args.out)
        write_text(args.out / PAGE, render(facts, results, shown))
        print(f'report written to {args.out / PAGE}')
    return results


def _cluster(args: argparse.Namespace, plan: RunConfig) -> RayCluster:
    # Workers may have another number of cores, and a sum over other threads another last bit.
    return RayCluster(
        args.ray, plan.with_threads(), workers=args.workers,
        gpus_per_worker=args.gpus_per_worker,
    )  # fmt: skip


def bag_line(summary: SourceSummary) -> str:
    """Return the line of the live table about a bag that is done."""
    if summary.truncated:
        return f'{summary.name}: {summary.truncated}'
    return f'{summary.name}: {summary.taken} of {summary.frames} frames'


def _path_or_url(text: str) -> Path | str:
    return text if is_url(text) else Path(text)


def _check(args: argparse.Namespace) -> None:
    """Refuse what contradicts itself; raises ConfigError."""
    idle = args.ground_truth is None and args.submission is None and args.out is None
    for wrong, text in (
        (
            args.images and idle,
            'nothing to do: give --ground-truth DIR to score, --out DIR to look at, or '
            '--submission DIR '
            'to write',
        ),
        (
            args.images
            and (
                args.image_topic
                or args.ground_truth_topic
                or args.grid_topic
                or args.boundary_topic
            ),
            'topics are of bags: give --bag, or leave out --image-topic, --ground-truth-topic, '
            '--grid-topic and --boundary-topic',
        ),
        (
            args.bag and (args.calibration or args.metric),
            '--calibration and --metric are for --images: a bag has topics for them',
        ),
        (args.metric and not args.calibration, '--metric needs the --calibration of the images'),
        (
            args.boundary_topic and not args.grid_topic,
            '--boundary-topic needs the --grid-topic of the same ground',
        ),
        (
            args.ground_truth and args.ground_truth_topic,
            'give --ground-truth DIR or --ground-truth-topic TOPIC, not both',
        ),
        (args.bag and args.submission, '--submission is for --images'),
        (args.jobs < 1, f'--jobs {args.jobs}: must be 1 or more'),
        (args.ray and not args.bag, '--ray runs one bag per task: give --bag'),
        (args.ray and args.jobs > 1, '--ray has --workers instead of --jobs'),
        (
            args.ray and (args.video or args.write_bag),
            '--ray: leave out --video and --write-bag, which write on this machine',
        ),
        (
            not args.ray and (args.workers or args.gpus_per_worker),
            '--workers and --gpus-per-worker are about --ray: give --ray ADDRESS or --ray auto',
        ),
        (
            args.workers < 0 or not 0 <= args.gpus_per_worker < float('inf'),
            f'--workers {args.workers}, --gpus-per-worker {args.gpus_per_worker:g}: must not be '
            'negative',
        ),
        (
            not 0 <= args.tolerance_ms < float('inf'),
            f'--tolerance-ms {args.tolerance_ms:g}: must be 0 or more',
        ),
        (
            args.out is None
            and (args.resume or args.video or (args.overwrite and not args.write_bag)),
            '--resume, --overwrite and --video are about --out: give --out DIR',
        ),
        (
            args.resume and (args.overwrite or args.video or args.submission or args.write_bag),
            '--resume continues what is there: leave out --overwrite, --video, --write-bag and '
            '--submission',
        ),
        (args.write_bag and not args.bag, '--write-bag is for --bag'),
        (
            (args.grid_topic or args.metric) and _method(args) != METHODS[WHOLE],
            '--grid-topic, --metric: only the method whole finds the grid, leave out the others',
        ),
    ):
        if wrong:
            raise ConfigError(text)


def _folder(
    args: argparse.Namespace,
    pairs: Pairs,
    comparison: LabelComparison,
    selection: Selection,
    ignored: tuple[int, ...],
) -> FolderSpec:
    """Return a folder whose images and ground truth have all been read once."""
    camera_info = None
    if args.calibration:
        camera_info = read_calibration(args.calibration)
        read_camera_info(camera_info)  # refuses what describes no camera before anything is run
    with Progress(len(pairs), 'image', 'checking') as progress:
        return check_folder(
            args.images, args.ground_truth, pairs, comparison, selection=selection,
            ignored=ignored, camera_info=camera_info, metric=args.metric, on_pair=progress.update,
        )  # fmt: skip


def _bags(args: argparse.Namespace, selection: Selection, ignored: tuple[int, ...]) -> list[Spec]:
    choice = BagChoice(
        args.image_topic,
        args.ground_truth_topic or args.ground_truth,
        args.grid_topic,
        args.tolerance_ms,
        args.boundary_topic,
    )
    return bag_specs(args.bag, choice, selection, ignored)


def _sinks(args: argparse.Namespace, pipeline: FrameProcessor) -> tuple[MakeSink, ...]:
    sinks: list[MakeSink] = []
    if args.submission is not None:
        sinks.append(make_submission(args.submission, pipeline.label_set))
    if args.video:
        sinks.append(MakeVideo(args.out))
    if args.write_bag is not None:
        sinks.append(_annotated(args))
    return tuple(sinks)


def _annotated(args: argparse.Namespace) -> MakeAnnotatedBag:
    sources = {name: (path,) for name, path in name_bags(args.bag).items()}
    besides = (args.ground_truth_topic,) if args.ground_truth_topic else ()
    return MakeAnnotatedBag(args.write_bag, sources, args.image_topic, besides, args.overwrite)


def _config(args: argparse.Namespace) -> PipelineConfig:
    config = model_config(args)
    if config.output.resolution != 'camera':
        raise ConfigError(
            f'output.resolution = {config.output.resolution!r}: images are scored at their own '
            'size, leave it at camera'
        )
    return config


def _method(args: argparse.Namespace) -> Method:
    """Return the named method with the changes that were given."""
    given = {
        'window': parse_size(args.window, '--window') if args.window else None,
        'test_time_scales': parse_numbers(args.test_time_scales, '--test-time-scales')
        if args.test_time_scales
        else None,
        'flip': args.flip,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(METHODS[args.method], **changed)


def _ignored(text: str) -> tuple[int, ...]:
    ids = parse_numbers(text, '--ignore') if text else ()
    if not all(number in range(256) for number in ids):
        raise ConfigError(f'--ignore {text}: ids are integers from 0 to 255')
    return tuple(int(number) for number in ids)
