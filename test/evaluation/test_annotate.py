# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A recording written anew holds its own topics as they were, and what the node would publish."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import InferenceError, OutputError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.data.bags.cameras import choose_camera
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.writer import BagWriter
from mfaranet_ros.data.pairing import Pairing
from mfaranet_ros.evaluation.report.annotate import (
    AnnotatedBag,
    MakeAnnotatedBag,
    outputs_in_bag,
)
from mfaranet_ros.evaluation.runs.bag_source import BagChoice
from mfaranet_ros.evaluation.runs.jobs import RunConfig, run_here
from mfaranet_ros.evaluation.runs.sources import Selection
from mfaranet_ros.evaluation.runs.specs import BagSpec
from mfaranet_ros.geometry.camera import read_camera_info
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.ground_source import FixedGround
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.pipeline.messages import CameraInfo, Float64, build
from mfaranet_ros.pipeline.style import Style

HEIGHT, WIDTH = 48, 64
COUNT = 3
STEP_NS = 100_000_000
TOPIC = '/cam/image_raw'
LATE_NS = 7_000_000
"""How much after its capture an image is logged."""


def calibration(stamp_ns):
    k = np.array([60.0, 0, WIDTH / 2, 0, 60.0, HEIGHT / 2, 0, 0, 1])
    p = np.insert(k.reshape(3, 3), 3, 0, axis=1).reshape(-1)
    return CameraInfo(
        encode.header(stamp_ns, 'camera'), HEIGHT, WIDTH, 'plumb_bob', np.zeros(5), k,
        np.eye(3).reshape(-1), p,
    )  # fmt: skip


def write_drive(path):
    generator = np.random.default_rng(5)
    with BagWriter(path) as writer:
        for number in range(COUNT):
            stamp_ns = number * STEP_NS
            pixels = generator.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            frame = Frame(pixels, 'rgb8', stamp_ns, 'camera')
            for name, value in (
                ('image_raw', encode.image(frame)), ('camera_info', calibration(stamp_ns)),
                ('speed', Float64(3.0)),
            ):  # fmt: skip
                message = build(value, writer.make)
                writer.write(f'/cam/{name}', message, stamp_ns + LATE_NS)
    return path


@pytest.fixture(scope='module')
def ground():
    pose = MountingPose.from_xyz_rpy(0, 0, 1.5, 0, 0.1, 0)
    camera = read_camera_info(calibration(0))
    return GroundProjection(camera, pose, PipelineConfig().ground, (HEIGHT, WIDTH))


@pytest.fixture
def annotate(make_pipeline, ground, tmp_path):
    """Write a recording anew; return the results as they were written."""
    pipeline = dataclasses.replace(make_pipeline(), ground=FixedGround(ground))

    def run(source, out=tmp_path / 'out'):
        results = []
        style = Style(pipeline.label_set)
        with (
            open_bag(source) as bag,
            AnnotatedBag(out, source, style, image_topic=TOPIC) as writer,
        ):
            for shot in Pairing(bag, choose_camera(bag, TOPIC)):
                results.append(pipeline(shot.image.message, outputs_in_bag()))
                stage_ms = dict(results[-1].timings.items())
                writer.write(shot.number, results[-1], stage_ms)
        return out, results, style

    return run


def test_originals_stay_as_they_were(annotate, tmp_path):
    source = write_drive(tmp_path / 'drive')
    out, _, _ = annotate(source)
    with open_bag(source) as before, open_bag(out) as after:
        names = list(before.topics)
        expected = [(m.topic.name, m.time_ns, bytes(m.raw)) for m in before.messages()]
        found = [(m.topic.name, m.time_ns, bytes(m.raw)) for m in after.messages(names)]
    assert found == expected


def test_results_stand_beside_them(annotate, tmp_path):
    out, _, _ = annotate(write_drive(tmp_path / 'drive'))
    with open_bag(out) as bag:
        counts = Counter({name: topic.count for name, topic in bag.topics.items()})
        new = {name for name in counts if name.startswith('/segmentation/')}
        assert new == {f'/segmentation/{name}' for name in (
            'mask', 'overlay/compressed', 'drivable/mask', 'drivable/grid', 'drivable/boundary',
            'drivable/points', 'camera_info', 'label_info', 'debug/processing_time_ms',
            'debug/decode_ms', 'debug/preprocess_ms', 'debug/inference_ms', 'debug/postprocess_ms',
            'debug/drivable_ms',
        )}  # fmt: skip
        assert {counts[name] for name in new - {'/segmentation/label_info'}} == {COUNT}


def test_results_are_those_of_the_frames(annotate, tmp_path):
    out, results, style = annotate(write_drive(tmp_path / 'drive'))
    with open_bag(out) as bag:
        masks = list(bag.messages(['/segmentation/mask']))
        grids = list(bag.messages(['/segmentation/drivable/grid']))
        overlay = bag.first('/segmentation/overlay/compressed').message
        label_info = bag.first('/segmentation/label_info').message
    for mask, grid, result in zip(masks, grids, results, strict=True):
        assert mask.time_ns == result.stamp_ns + LATE_NS
        assert mask.stamp_ns == grid.stamp_ns == result.stamp_ns
        np.testing.assert_array_equal(decode(mask.message).pixels[:, :, 0], result.labels)
        cells = result.drivable.grid.cells
        np.testing.assert_array_equal(grid.message.data, cells.reshape(-1))
        assert grid.message.header.frame_id == style.base_frame
    assert decode(overlay).size == (HEIGHT, WIDTH)
    assert label_info.class_map[3].class_name == 'Road'


def test_results_of_the_node_in_the_recording_are_kept(annotate, tmp_path):
    first, _, _ = annotate(write_drive(tmp_path / 'drive'))
    second, _, _ = annotate(first, tmp_path / 'again')
    with open_bag(second) as bag:
        assert {'/segmentation/mask', '/offline/mask'} <= set(bag.topics)
    with pytest.raises(OutputError, match='/segmentation and /offline already'):
        annotate(second, tmp_path / 'third')


def test_an_output_that_exists_is_refused(annotate, tmp_path):
    source = write_drive(tmp_path / 'drive')
    (tmp_path / 'out').mkdir()
    with pytest.raises(OutputError, match='exists'):
        annotate(source)


def test_a_recording_never_replaces_itself(make_pipeline, tmp_path):
    source = write_drive(tmp_path / 'drive')
    style = Style(make_pipeline().label_set)
    with pytest.raises(OutputError, match='holds the recording itself'):
        AnnotatedBag(source, source / 'drive.mcap', style, overwrite=True)
    with open_bag(source) as bag:
        assert len(list(bag.messages())) == 3 * COUNT


@pytest.mark.parametrize('count', [1, 2])
def test_the_evaluation_writes_them_on_the_way(make_pipeline, tmp_path, count):
    sources = {f'drive{n}': (write_drive(tmp_path / f'drive{n}'),) for n in range(count)}
    pipeline, choice = make_pipeline(), BagChoice(TOPIC)
    specs = [BagSpec(name, paths, choice, Selection()) for name, paths in sources.items()]
    sink = MakeAnnotatedBag(tmp_path / 'out', sources, TOPIC)
    order = RunConfig(pipeline.config, also=outputs_in_bag(), sinks=(sink,))
    run_here(pipeline, specs, order, {}, lambda event: None)
    for name, paths in sources.items():
        with (
            open_bag(tmp_path / 'out' / name if count > 1 else tmp_path / 'out') as written,
            open_bag(paths) as before,
        ):
            assert written.topics['/segmentation/mask'].count == COUNT
            assert written.topics['/segmentation/debug/decode_ms'].count == COUNT
            originals = [bytes(item.raw) for item in written.messages(before.topics)]
            assert originals == [bytes(item.raw) for item in before.messages()]


def test_a_bag_is_finished_when_the_evaluation_ends_early(make_pipeline, tmp_path):
    source = write_drive(tmp_path / 'drive')
    pipeline = make_pipeline(error=InferenceError('no memory'))
    spec = BagSpec('drive', (source,), BagChoice(TOPIC), Selection())
    sink = MakeAnnotatedBag(tmp_path / 'out', {'drive': (source,)}, TOPIC)
    order = RunConfig(pipeline.config, also=outputs_in_bag(), sinks=(sink,))
    with pytest.raises(InferenceError, match='no memory'):
        run_here(pipeline, [spec], order, {}, lambda event: None)
    with open_bag(tmp_path / 'out') as bag:
        assert not bag.truncated
