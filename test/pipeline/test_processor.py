# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One image and a batch of images all their way, with the mock and with a small real network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from mfaranet_ros.backends import MockBackend, TorchBackend
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import DecodeError, InferenceError, StaleFrame
from mfaranet_ros.core.frame import METRIC_OUTPUTS, Frame, Output, Timings
from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.ground_source import FixedGround, GroundSource
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.build import build_processor, prepare
from mfaranet_ros.pipeline.messages import Header, Image, Time
from mfaranet_ros.pipeline.processor import MASK, Job, process_together

SIZE = (48, 64)
MOCK = replace(PipelineConfig(), {'runtime.backend': 'mock', 'ground.resolution': 0.5})


class Toy(nn.Module):
    """Tells pixels apart by colour."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.head = nn.Conv2d(3, 11, 4, stride=4)

    def coarse_logits(self, x):
        return self.head(x)


def random_frame(seed, size=SIZE, stamp_ns=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    return Frame(pixels, 'rgb8', stamp_ns, 'camera')


def message_of(frame):
    stamp = Time(*divmod(frame.stamp_ns, 10**9))
    height, width = frame.size
    header = Header(stamp, frame.frame_id)
    return Image(header, height, width, frame.encoding, 0, 3 * width, frame.pixels.reshape(-1))


@pytest.fixture
def toy():
    runtime = replace(MOCK, {'runtime.backend': 'torch', 'runtime.device': 'cpu'}).runtime
    runtime = dataclasses.replace(runtime, precision='float32')
    return build_processor(MOCK, backend=TorchBackend(runtime, Toy().eval()))


@pytest.fixture
def ground():
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5)
    pose = MountingPose.from_xyz_rpy(0, 0, 1.5, 0, 0.1, 0)
    return FixedGround(GroundProjection(camera, pose, MOCK.ground, SIZE))


def test_a_message_gives_what_its_frame_gives_and_its_decoding_is_timed(toy):
    frame = random_frame(0, stamp_ns=5_000_000_007)
    of_frame, of_message = toy(frame), toy(message_of(frame))
    np.testing.assert_array_equal(of_message.labels, of_frame.labels)
    assert (of_message.stamp_ns, of_message.frame_id) == (5_000_000_007, 'camera')
    assert of_frame.timings.decode_ms is None
    assert of_message.timings.decode_ms > 0
    assert [name for name, _ in of_message.timings.items()] == [
        'decode', 'preprocess', 'inference', 'postprocess', 'drivable',
    ]  # fmt: skip


def test_a_batch_gives_what_its_images_give_one_by_one_in_their_order(toy):
    sizes = (SIZE, (32, 96), SIZE, SIZE, (32, 96))
    frames = [random_frame(number, size) for number, size in enumerate(sizes)]
    wanted = (Output.MASK, Output.CONFIDENCE)
    together = toy.batch(frames, wanted)
    assert [result.frame for result in together] == frames
    for frame, result in zip(frames, together, strict=True):
        alone = toy(frame, wanted)
        np.testing.assert_array_equal(result.labels, alone.labels)
        np.testing.assert_array_equal(result.confidence, alone.confidence)
    assert toy.batch((), wanted) == ()


def test_frames_of_one_size_are_one_run_of_the_network():
    backend = MockBackend(11)
    processor = build_processor(MOCK, backend=backend)
    processor.batch([random_frame(n) for n in range(3)] + [random_frame(3, (32, 32))])
    assert backend.frames == 2


def test_an_undecodable_message_is_refused_before_the_network_runs():
    backend = MockBackend(11)
    message = dataclasses.replace(message_of(random_frame(0)), encoding='purple')
    with pytest.raises(DecodeError, match='purple'):
        build_processor(MOCK, backend=backend)(message)
    assert backend.frames == 0


class Clock:
    """A clock that a network moves on by `step_ns` per run."""

    def __init__(self, now_ns, step_ns=0):
        self.now_ns, self.step_ns = now_ns, step_ns

    def __call__(self):
        return self.now_ns

    def run(self, number):
        self.now_ns += self.step_ns


def test_a_frame_too_old_is_dropped_before_it_costs_anything():
    backend = MockBackend(11)
    processor = build_processor(MOCK, backend=backend, now_ns=Clock(1_000_000_001))
    with pytest.raises(StaleFrame, match='max_age_ms allows 1000 ms') as stale:
        processor(random_frame(0, stamp_ns=0))
    assert stale.value.timings == Timings()
    assert backend.frames == 0
    assert processor(random_frame(0, stamp_ns=1)).stamp_ns == 1


def test_a_frame_that_grows_too_old_is_dropped_with_its_times():
    clock = Clock(0, step_ns=2 * 10**9)
    backend = MockBackend(11, fail=clock.run)
    processor = build_processor(MOCK, backend=backend, now_ns=clock)
    with pytest.raises(StaleFrame) as stale:
        processor(random_frame(0))
    assert stale.value.timings.inference_ms > 0
    patient = processor.with_config(replace(MOCK, {'latency.max_age_ms': 0.0}))
    assert patient(random_frame(0)).labels.shape == SIZE


def test_a_failing_network_is_an_inference_error():
    backend = MockBackend(11, fail=lambda number: InferenceError('on fire'))
    with pytest.raises(InferenceError, match='on fire'):
        build_processor(MOCK, backend=backend)(random_frame(0))


def test_metric_outputs_need_a_ground_and_say_why_there_is_none(ground):
    processor = build_processor(MOCK)
    assert processor(random_frame(0), METRIC_OUTPUTS).drivable.problem == ''
    silent = dataclasses.replace(processor, ground=GroundSource())
    result = silent(random_frame(0), METRIC_OUTPUTS)
    assert 'no CameraInfo' in result.drivable.problem
    assert result.drivable.grid is None
    assert result.confidence is None  # nobody can use it
    assert silent(random_frame(0)).drivable.problem == ''
    seeing = dataclasses.replace(processor, ground=ground)
    result = seeing(random_frame(0), METRIC_OUTPUTS)
    assert (result.drivable.grid.cells == 0).any()
    assert result.drivable.problem == ''
    assert result.confidence is not None


def test_changed_settings_make_another_processor_of_the_same_network():
    processor = build_processor(MOCK, label='the first')
    other = processor.with_config(replace(MOCK, {'drivable.min_confidence': 0.0}))
    assert other.backend is processor.backend
    assert other.label == 'the first'
    wanted = (Output.DRIVABLE_MASK,)
    assert processor(random_frame(0), wanted).confidence is not None
    assert other(random_frame(0), wanted).confidence is None


def test_what_is_prepared_is_described():
    facts = dict(prepare(build_processor(MOCK, label='2@32x48')))
    assert facts['operating_point'] == '2@32x48'
    assert facts['backend'] == 'mock'
    assert facts['weights'] == 'none'


def test_a_round_serves_each_camera_by_its_own_settings_and_one_bad_image_harms_no_other(
    toy, ground
):
    metric = frozenset({Output.MASK, Output.GRID})
    front = dataclasses.replace(toy, ground=ground, config=replace(MOCK, {'ground.x': 1.0}))
    late = dataclasses.replace(toy, now_ns=lambda: 10**12)
    first, second = random_frame(1), random_frame(2)
    broken = dataclasses.replace(message_of(first), encoding='32FC1')
    answers = dict(process_together([
        Job(front, first, metric), Job(toy, broken, MASK), Job(late, second, MASK),
        Job(toy, second, MASK),
    ]))  # fmt: skip
    np.testing.assert_array_equal(answers[0].labels, toy(first).labels)
    assert answers[0].drivable.grid is not None
    assert isinstance(answers[1], DecodeError)
    assert isinstance(answers[2], StaleFrame)
    np.testing.assert_array_equal(answers[3].labels, toy(second).labels)
    assert answers[3].drivable.grid is None
    assert answers[0].timings.inference_ms == answers[3].timings.inference_ms  # one run


def test_a_run_that_fails_is_repeated_image_by_image():
    backend = MockBackend(11, fail=lambda number: InferenceError('once') if not number else None)
    processor = build_processor(MOCK, backend=backend)
    jobs = [Job(processor, random_frame(seed), MASK) for seed in range(2)]
    answers = dict(process_together(jobs))
    assert [answers[index].labels.shape for index in range(2)] == [SIZE, SIZE]
    assert backend.frames == 3


def test_an_answer_is_given_before_the_work_for_the_others(toy):
    steps = []

    def postprocess(*arguments, **options):
        steps.append('postprocess')
        return toy.postprocess(*arguments, **options)

    slow = dataclasses.replace(toy, postprocess=postprocess)
    for index, _ in process_together([Job(slow, random_frame(seed), MASK) for seed in range(2)]):
        steps.append(f'answer {index}')
    assert steps == ['postprocess', 'answer 0', 'postprocess', 'answer 1']
