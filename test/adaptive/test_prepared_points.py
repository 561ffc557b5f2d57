# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Operating points as pipelines: built, measured on a simulated clock, put in order, left out or
refused."""

from __future__ import annotations

import pytest
import torch

from mfaranet_ros.adaptive.prepared_points import RUNS, USUAL_CAMERA, prepare_points
from mfaranet_ros.backends import MockBackend, TorchBackend
from mfaranet_ros.backends.mock import MockLoad
from mfaranet_ros.core.config import LatencyConfig, PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, InferenceError, MfaranetError
from mfaranet_ros.core.frame import Timings
from mfaranet_ros.pipeline.build import build_processor

MOCK = replace(PipelineConfig(), {'runtime.backend': 'mock', 'runtime.precision': 'float32'})
OPERATING_POINTS = ('1,2,3,4@64x96', '2@64x96', '2@32x48')
CAMERA = (64, 96)


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

    def operating_points(self, config, camera=CAMERA):
        return prepare_points(config, self.build, camera=camera, clock_ns=lambda: self.now_ns)

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


def test_each_operating_point_is_built_as_it_says_and_measured():
    operating_points = Workshop().operating_points(adapting(*OPERATING_POINTS))
    state = operating_points.state()
    assert state.operating_points == OPERATING_POINTS
    assert state.measured_ms == pytest.approx((40.0, 10.0, 5.0))
    assert (state.operating_point, state.number, state.adapt, state.changes) == (
        OPERATING_POINTS[0],
        0,
        True,
        0,
    )
    configs = [built.pipeline.config for built in operating_points.operating_points]
    assert [config.model.scales for config in configs] == [(1, 2, 3, 4), (2,), (2,)]
    assert [(c.input.height, c.input.width) for c in configs] == [(64, 96), (64, 96), (32, 48)]
    facts = [dict(built.facts) for built in operating_points.operating_points]
    assert [f['operating_point'] for f in facts] == list(OPERATING_POINTS)
    assert [f['input_size'] for f in facts] == ['64x96', '64x96', '32x48']


def test_the_quickest_run_counts():
    workshop = Workshop()
    runs = iter(range(1000))

    def fail(config):
        workshop.load.factor = 1.0 if next(runs) % RUNS == 0 else 7.0

    workshop.fail = fail
    operating_points = workshop.operating_points(adapting('2@64x96'))
    assert operating_points.state().measured_ms == pytest.approx((10.0,))


def test_without_adapting_nothing_is_measured_before_the_camera_is_known():
    operating_points = Workshop().operating_points(
        replace(MOCK, {'model.scales': [2]}), camera=None
    )
    state = operating_points.state()
    assert (state.operating_points, state.measured_ms, state.adapt) == (('2',), (None,), False)
    assert dict(operating_points.in_force.facts)['input_size'] == 'camera'


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


def test_a_operating_points_that_is_not_ordered_is_refused_and_freed():
    workshop = Workshop()
    with pytest.raises(ConfigError, match=r"not ordered by cost: '1,2,3,4@64x96' takes 40\.0 ms"):
        workshop.operating_points(adapting('2@64x96', '1,2,3,4@64x96'))
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
def test_a_operating_point_without_room_is_left_out_and_the_next_one_tried(error):
    workshop = Workshop(fail=lambda config: error if len(config.model.scales) == 4 else None)
    operating_points = workshop.operating_points(adapting(*OPERATING_POINTS))
    assert operating_points.state().operating_points == OPERATING_POINTS[1:]
    (reason,) = operating_points.left_out
    assert "operating point '1,2,3,4@64x96'" in reason
    assert workshop.closed() == [True, False, False]


def test_without_adapting_a_operating_point_without_room_is_named():
    workshop = Workshop(fail=lambda config: InferenceError('out of memory on cuda: free memory'))
    with pytest.raises(
        ConfigError, match="operating point '1,2,3,4': out of memory on cuda: free memory"
    ):
        workshop.operating_points(MOCK)


def test_when_no_operating_point_has_room_all_are_named():
    workshop = Workshop(fail=lambda config: MemoryError('out of memory'))
    with pytest.raises(ConfigError) as refusal:
        workshop.operating_points(adapting(*OPERATING_POINTS))
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

    operating_points = prepare_points(adapting('1,2,3,4@8x8', '2@8x8'), build, clock_ns=lambda: 0)
    assert operating_points.state().operating_points == ('2@8x8',)
    assert 'out of memory' in operating_points.left_out[0]


def test_any_other_failure_names_the_operating_point_and_frees_the_rest():
    workshop = Workshop(
        fail=lambda config: InferenceError('on fire') if config.input.height == 32 else None
    )
    with pytest.raises(MfaranetError, match="operating point '2@32x48': on fire"):
        workshop.operating_points(adapting(*OPERATING_POINTS))
    assert workshop.closed() == [True, True, True]


def test_all_operating_points_must_have_the_same_labels():
    workshop = Workshop(label_sets={(2,): 'cityscapes'})
    with pytest.raises(ConfigError, match=r'label set camvid, operating point .* cityscapes'):
        workshop.operating_points(adapting('1,2,3,4@64x96', '2@64x96'))


def test_changed_settings_reach_every_operating_point_and_leave_it_what_it_is():
    operating_points = Workshop().operating_points(adapting(*OPERATING_POINTS))
    operating_points.configure(
        adapting(*OPERATING_POINTS, drivable__min_confidence=0.9, model__scales=[1])
    )
    for built in operating_points.operating_points:
        config = built.pipeline.config
        assert config.drivable.min_confidence == 0.9
        assert config == built.operating_point.applied_to(config)


def frame_ms(inference_ms):
    """Return the stages of a frame and its whole processing time."""
    return Timings(decode_ms=1.0, inference_ms=inference_ms), inference_ms + 5.0


def test_the_operating_point_in_force_follows_the_times_of_the_frames():
    operating_points = Workshop().operating_points(adapting(*OPERATING_POINTS))
    latency = LatencyConfig(budget_ms=50.0, adapt_period_s=1.0)
    assert not any(operating_points.account(*frame_ms(40.0), latency, n / 10) for n in range(20))
    changed = [operating_points.account(*frame_ms(120.0), latency, 2.0 + n / 10) for n in range(3)]
    assert changed == [False, False, True]
    assert operating_points.state().number == 1
    assert operating_points.pipeline is operating_points.operating_points[1].pipeline
    assert operating_points.state().changes == 1


def test_without_adapting_no_time_changes_anything():
    operating_points = Workshop().operating_points(MOCK)
    latency = LatencyConfig(budget_ms=50.0)
    assert not any(operating_points.account(*frame_ms(500.0), latency, n / 10) for n in range(100))


def test_closing_frees_every_operating_point():
    workshop = Workshop()
    workshop.operating_points(adapting(*OPERATING_POINTS)).close()
    assert workshop.closed() == [True, True, True]
