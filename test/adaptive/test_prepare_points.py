# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Operating points: built, measured on a simulated clock, left out, refused, stepped between."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from mfaranet_ros.adaptive.adaptive_pipeline import AdaptivePipeline
from mfaranet_ros.adaptive.prepared_points import RUNS, USUAL_CAMERA, prepare_points
from mfaranet_ros.backends import MockBackend, TorchBackend
from mfaranet_ros.backends.mock import MockLoad
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, InferenceError, MfaranetError
from mfaranet_ros.core.frame import Timings
from mfaranet_ros.pipeline.build import build_processor

MOCK = replace(PipelineConfig(), {'runtime.backend': 'mock', 'runtime.precision': 'float32'})
OPERATING_POINTS = ('1,2,3,4@64x96', '2@64x96', '2@32x48')
CAMERA = (64, 96)
PATIENCE_S = 20.0
FRAME = stored_frame()


def adapting(*operating_points, **values):
    given = {name.replace('__', '.'): value for name, value in values.items()}
    return replace(
        MOCK, {'latency.adapt': True, 'latency.operating_points': operating_points, **given}
    )


class Workshop:
    """Builds pipelines around mocks whose runs take 10 ms per scale, on a clock of its own.

    fail: by the config, an error that the backend raises, or None.
    """

    def __init__(self, *, fail=lambda config: None, label_sets=None):
        self.now_ns = 0
        self.fail = fail
        self.label_sets = label_sets or {}
        self.load = MockLoad(sleep=self.pass_by)
        self.pipelines = []

    def pass_by(self, seconds):
        self.now_ns += round(seconds * 1e9)

    def build(self, config):
        labels = self.label_sets.get(config.model.scales, '')
        config = replace(config, {'model.labels': labels})
        delay_s = 0.01 * len(config.model.scales) * (1 if config.input.height != 32 else 0.5)
        backend = MockBackend(
            19 if labels == 'cityscapes' else 11,
            delay_s=delay_s,
            load=self.load,
            fail=lambda number: self.fail(config),
        )
        pipeline = build_processor(config, backend=backend)
        self.pipelines.append(pipeline)
        return pipeline

    def prepare(self, config, camera=CAMERA):
        return prepare_points(config, self.build, camera=camera, clock_ns=lambda: self.now_ns)

    def pipeline(self, config):
        """Return what hands out the processors, on this clock."""
        return AdaptivePipeline(
            config, self.build, clock_ns=lambda: self.now_ns, now_s=lambda: self.now_ns / 1e9
        )

    def closed(self):
        """Say of each pipeline that was built whether it is closed."""
        self.fail = lambda config: None
        return [is_closed(pipeline) for pipeline in self.pipelines]


def is_closed(pipeline):
    try:
        pipeline.backend(torch.zeros((1, 3, 8, 8)))
    except InferenceError:
        return True
    return False


def labels_of(prepared):
    return tuple(point.processor.label for point in prepared.points)


def measured_ms(prepared):
    return tuple(point.measured_ms for point in prepared.points)


def test_each_operating_point_is_built_as_it_says_and_measured():
    prepared = Workshop().prepare(adapting(*OPERATING_POINTS))
    assert labels_of(prepared) == OPERATING_POINTS
    assert measured_ms(prepared) == pytest.approx((40.0, 10.0, 5.0))
    configs = [point.processor.config for point in prepared.points]
    assert [config.model.scales for config in configs] == [(1, 2, 3, 4), (2,), (2,)]
    assert [(c.input.height, c.input.width) for c in configs] == [(64, 96), (64, 96), (32, 48)]
    facts = [dict(point.facts) for point in prepared.points]
    assert [f['operating_point'] for f in facts] == list(OPERATING_POINTS)
    assert [f['input_size'] for f in facts] == ['64x96', '64x96', '32x48']


def test_the_quickest_run_counts():
    workshop = Workshop()
    runs = iter(range(1000))

    def fail(config):
        workshop.load.factor = 1.0 if next(runs) % RUNS == 0 else 7.0

    workshop.fail = fail
    prepared = workshop.prepare(adapting('2@64x96'))
    assert measured_ms(prepared) == pytest.approx((10.0,))


def test_without_adapting_nothing_is_measured_before_the_camera_is_known():
    prepared = Workshop().prepare(replace(MOCK, {'model.scales': [2]}), camera=None)
    assert (labels_of(prepared), measured_ms(prepared)) == (('2',), (None,))
    assert dict(prepared.points[0].facts)['input_size'] == 'camera'


def test_with_the_camera_known_the_very_size_is_warm_before_the_first_frame(monkeypatch):
    sizes = []
    call = MockBackend.__call__
    monkeypatch.setattr(
        MockBackend, '__call__', lambda self, x: (sizes.append(x.shape[2:]), call(self, x))[1]
    )
    prepare_points(MOCK, camera=(40, 56))
    assert sizes.count((40, 56)) == 1 + RUNS
    sizes.clear()
    prepare_points(adapting('1', '2@32x48', latency__budget_ms=5.0), camera=None)
    assert sizes.count(USUAL_CAMERA) == 1 + RUNS


def test_the_age_of_the_measuring_image_does_not_matter():
    def build(config):
        return dataclasses.replace(build_processor(config), now_ns=lambda: 10**18)

    prepare_points(MOCK, build, camera=CAMERA)


def test_operating_points_that_are_not_ordered_are_refused_and_freed():
    workshop = Workshop()
    with pytest.raises(ConfigError, match=r"not ordered by cost: '1,2,3,4@64x96' takes 40\.0 ms"):
        workshop.prepare(adapting('2@64x96', '1,2,3,4@64x96'))
    assert workshop.closed() == [True, True]


@pytest.mark.parametrize(
    'error',
    [
        InferenceError('out of memory on cuda: make input.height and input.width smaller'),
        torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB'),
        MemoryError(),
    ],
    ids=['backend', 'torch', 'host'],
)
def test_an_operating_point_without_room_is_left_out_and_the_next_one_tried(error):
    workshop = Workshop(fail=lambda config: error if len(config.model.scales) == 4 else None)
    prepared = workshop.prepare(adapting(*OPERATING_POINTS))
    assert labels_of(prepared) == OPERATING_POINTS[1:]
    (reason,) = prepared.left_out
    assert "operating point '1,2,3,4@64x96'" in reason
    assert workshop.closed() == [True, False, False]


def test_without_adapting_an_operating_point_without_room_is_named():
    workshop = Workshop(fail=lambda config: InferenceError('out of memory on cuda: free memory'))
    with pytest.raises(
        ConfigError, match="operating point '1,2,3,4': out of memory on cuda: free memory"
    ):
        workshop.prepare(MOCK)


def test_when_no_operating_point_has_room_all_are_named():
    workshop = Workshop(fail=lambda config: MemoryError('out of memory'))
    with pytest.raises(ConfigError) as refusal:
        workshop.prepare(adapting(*OPERATING_POINTS))
    assert all(operating_point in str(refusal.value) for operating_point in OPERATING_POINTS)
    assert workshop.closed() == [True, True, True]


def test_memory_that_torch_has_not_is_recognised_in_the_words_of_its_backend():
    class Huge(torch.nn.Module):
        def coarse_logits(self, x):
            raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')

    runtime = replace(MOCK, {'runtime.backend': 'torch', 'runtime.device': 'cpu'}).runtime

    def build(config):
        backend = TorchBackend(runtime, Huge()) if len(config.model.scales) == 4 else None
        return build_processor(config, backend=backend)

    prepared = prepare_points(adapting('1,2,3,4@8x8', '2@8x8'), build, clock_ns=lambda: 0)
    assert labels_of(prepared) == ('2@8x8',)
    assert 'out of memory' in prepared.left_out[0]


def test_any_other_failure_names_the_operating_point_and_frees_the_rest():
    workshop = Workshop(
        fail=lambda config: InferenceError('on fire') if config.input.height == 32 else None
    )
    with pytest.raises(MfaranetError, match="operating point '2@32x48': on fire"):
        workshop.prepare(adapting(*OPERATING_POINTS))
    assert workshop.closed() == [True, True, True]


def test_all_operating_points_must_have_the_same_labels():
    workshop = Workshop(label_sets={(2,): 'cityscapes'})
    with pytest.raises(ConfigError, match=r'label set camvid, operating point .* cityscapes'):
        workshop.prepare(adapting('1,2,3,4@64x96', '2@64x96'))


def test_changed_settings_reach_every_operating_point_and_leave_it_what_it_is():
    prepared = Workshop().prepare(adapting(*OPERATING_POINTS))
    changed = adapting(*OPERATING_POINTS, drivable__min_confidence=0.9, model__scales=[1])
    for point, processor in zip(prepared.points, prepared.processors(changed), strict=True):
        assert processor.config.drivable.min_confidence == 0.9
        assert processor.config == point.operating_point.applied_to(processor.config)
        assert processor.backend is point.processor.backend


def run(pipeline, workshop, inference_ms, count, interval_s=0.1):
    """Account for frames of one time each; return the operating point in force after each."""
    numbers = []
    timings = Timings(decode_ms=1.0, inference_ms=inference_ms)
    for _ in range(count):
        workshop.pass_by(interval_s)
        with pipeline.frame():
            pipeline.account(FRAME, timings, inference_ms + 5.0)
        numbers.append(pipeline.state().number)
    return numbers


def test_the_operating_point_in_force_follows_the_times_of_the_frames():
    workshop = Workshop()
    latency = {'latency__budget_ms': 50.0, 'latency__adapt_period_s': 1.0}
    pipeline = workshop.pipeline(adapting(*OPERATING_POINTS, **latency))
    state = pipeline.state()
    assert state.operating_points == OPERATING_POINTS
    assert state.measured_ms == pytest.approx((40.0, 10.0, 5.0))
    assert (state.operating_point, state.number) == (OPERATING_POINTS[0], 0)
    assert (state.adapt, state.changes) == (True, 0)
    assert run(pipeline, workshop, 40.0, 20) == [0] * 20
    assert run(pipeline, workshop, 120.0, 3) == [0, 0, 1]
    assert pipeline.state().changes == 1
    with pipeline.frame() as processor:
        assert processor.label == OPERATING_POINTS[1]
    assert dict(pipeline.facts)['scales'] == '2'
    pipeline.close(PATIENCE_S)


def test_frames_that_never_reached_the_network_change_nothing():
    workshop = Workshop()
    pipeline = workshop.pipeline(adapting(*OPERATING_POINTS, latency__budget_ms=50.0))
    for _ in range(100):
        workshop.pass_by(0.1)
        with pipeline.frame():
            pipeline.account(FRAME, Timings(decode_ms=500.0), 500.0)
    assert pipeline.state().number == 0
    pipeline.close(PATIENCE_S)


def test_without_adapting_no_time_changes_anything():
    workshop = Workshop()
    pipeline = workshop.pipeline(replace(MOCK, {'latency.budget_ms': 50.0}))
    assert run(pipeline, workshop, 500.0, 100) == [0] * 100
    assert not pipeline.state().adapt
    pipeline.close(PATIENCE_S)


def test_closing_frees_every_operating_point():
    workshop = Workshop()
    workshop.prepare(adapting(*OPERATING_POINTS)).close()
    assert workshop.closed() == [True, True, True]
