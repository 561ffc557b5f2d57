# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The benchmark: what it times, what it compares, and what it makes of the figures."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch
import yaml
from fixtures.tiny_onnx import tiny_network

from mfaranet_ros.benchmark import run
from mfaranet_ros.benchmark.chart import plot, to_png
from mfaranet_ros.benchmark.measure import (
    Measured,
    Percentiles,
    StageTimes,
    agreement,
    measure,
    peak_gmacs,
    percentiles,
)
from mfaranet_ros.benchmark.operating_points_file import choose_operating_points, to_yaml
from mfaranet_ros.benchmark.report import describe, figures
from mfaranet_ros.benchmark.run import Benchmark, Failure, Result, run_benchmark
from mfaranet_ros.benchmark.subjects import REFERENCE, Row, make_reference
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import Frame, Timings
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.models import create_model, save_weights

CPU = torch.device('cpu')


def frame(value=0, size=(8, 12)):
    return Frame(np.full((*size, 3), value, np.uint8), 'rgb8', 0, 'camera')


class Sleeper:
    """Sleeps in its stages and labels a frame by its first value; says in which order it ran."""

    def __init__(self, name, diary, ms=(1.0, 2.0, 1.0)):
        self.row = Row('sleeper', name, 'float32', 'sleep')
        self.device = CPU
        self.diary = diary
        self.ms = ms

    def __call__(self, frame):
        self.diary.append((self.row.operating_point, int(frame.pixels[0, 0, 0])))
        time.sleep(sum(self.ms) / 1e3)
        return frame.pixels[..., 0], Timings(None, *self.ms)


# -- measuring -----------------------------------------------------------------------------------


def test_subjects_take_turns_and_the_first_frame_of_a_turn_is_not_counted():
    diary, turns = [], []
    frames = [frame(0), frame(1), frame(2)]
    found = measure(
        [Sleeper('a', diary), Sleeper('b', diary)], frames, rounds=2, turn=4,
        on_turn=lambda: turns.append(len(diary)),
    )  # fmt: skip
    turn = [2, 0, 1, 2, 0]
    assert diary == 2 * [*(('a', n) for n in turn), *(('b', n) for n in turn)]
    assert turns == [5, 10, 15, 20]
    assert [one.frames for one in found] == [8, 8]
    assert [labels[0, 0] for labels in found[0].labels] == [0, 1, 2]


def test_stages_and_the_whole_are_timed():
    (found,) = measure([Sleeper('a', [], (1.0, 6.0, 1.0))], [frame()], rounds=1, turn=3)
    ms = found.ms
    assert (ms.preprocess.p50, ms.inference.p50, ms.postprocess.p50) == (1.0, 6.0, 1.0)
    assert ms.total.p50 >= 8.0
    assert 0 < found.outside_share < 0.9
    assert found.memory_mb > 10


def test_percentiles():
    assert percentiles(range(101)) == Percentiles(50.0, 95.0, 99.0)
    assert percentiles([3.0]) == Percentiles(3.0, 3.0, 3.0)


def test_agreement_is_the_share_of_equal_labels_over_all_images():
    a, b = np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.uint8)
    b[0, 0] = 1
    assert agreement([a, a], [a, b]) == 15 / 16


def test_the_pace_of_a_matrix_product_is_a_positive_number():
    assert peak_gmacs(CPU, 'float32', seconds=0.01) > 0.1


# -- the reference -------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'mfaranet_resnet18_camvid.safetensors'
    model = create_model('mfaranet_resnet18', classes=11)
    return save_weights(model, path, label_set=get_label_set('camvid'))


def config_of(weights, **values):
    given = {'model.weights': str(weights), 'runtime.device': 'cpu', **values}
    return replace(PipelineConfig(), given)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_the_reference_is_the_network_as_published(weights, encoding):
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (33, 50, 3)).astype(np.uint8)
    reference = make_reference(config_of(weights), (33, 50))
    model = create_model('mfaranet_resnet18', classes=11, weights=weights).eval()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.inference_mode():
        x = (torch.from_numpy(rgb).permute(2, 0, 1) / 255 - mean) / std
        wanted = model(x[None]).argmax(1)[0].numpy()
    pixels = rgb if encoding == 'rgb8' else np.ascontiguousarray(rgb[..., ::-1])
    found, timings = reference(Frame(pixels, encoding, 0, ''))
    assert (found == wanted).mean() > 0.999
    assert [name for name, _ in timings.items()] == ['preprocess', 'inference', 'postprocess']
    assert reference.row.backend == REFERENCE


# -- a whole run ---------------------------------------------------------------------------------


class Fake(Sleeper):
    """Stands for a pipeline; one for scale 1 cannot be built."""

    built = []

    def __init__(self, config, operating_point):
        if config.model.scales == (1,):
            raise ConfigError('no scale 1 today')
        super().__init__(operating_point, [], (0.1, 1.0, 0.1))
        self.label_set = get_label_set(config.model.labels or 'camvid')
        self.network = create_model('mfaranet_resnet18', classes=11, scales=config.model.scales)
        self.input_size = config.input.height, config.input.width
        self.detail, self.closed = 'fake', False
        Fake.built.append(self)

    def close(self):
        self.closed = True


def test_a_row_that_cannot_be_built_is_named_and_the_others_go_on(weights, monkeypatch):
    monkeypatch.setattr(run, 'Pipeline', Fake)
    Fake.built, told = [], []
    sizes = {'input.height': 32, 'input.width': 64}
    configs = [config_of(weights, **sizes, **{'model.scales': s}) for s in ([1, 2, 3, 4], [1])]
    configs.append(
        replace(configs[0], {'model.name': 'eseg_lite_s', 'model.labels': 'cityscapes'})
    )
    images = [frame(9, (32, 64))]
    found = run_benchmark(configs[0], configs, images, rounds=1, turn=2, tell=told.append)
    assert [result.row.backend for result in found.results] == [REFERENCE, 'sleep']
    scale_1, family = found.failures
    assert scale_1 == Failure(
        Row('mfaranet_resnet18', '1@32x64', 'auto', 'auto'), 'no scale 1 today'
    )
    assert family.row.operating_point == f'eseg_lite_s={weights}@32x64'
    assert 'label set cityscapes, the reference camvid' in family.why
    reference, ours = found.results
    assert (reference.ratio, reference.network_ratio, reference.agreement) == (1.0, 1.0, 1.0)
    assert ours.ratio == reference.measured.ms.total.p50 / ours.measured.ms.total.p50
    assert ours.agreement <= 1.0
    assert ours.gmac == reference.gmac == pytest.approx(218.15 * 32 * 64 / (1024 * 2048), rel=0.1)
    assert ours.floor_ms > 0
    assert all(fake.closed for fake in Fake.built)
    assert told[0] == 'building the reference'


# -- what is made of the figures -----------------------------------------------------------------


def result(operating_point, ms, iou=None, backend='torch', precision='bfloat16', gmac=10.0):
    whole, part = Percentiles(ms, 1.2 * ms, 1.3 * ms), Percentiles(ms / 2, ms, ms)
    measured = Measured(StageTimes(whole, part, part, whole), 10, (), 100.0)
    row = Row('mfaranet_resnet18', operating_point, precision, backend)
    return Result(row, 'detail', measured, 2.0, 3.0, 0.99, gmac, 5.0, iou)


FULL, PART, ONE = '1,2,3,4@64x96', '1,2@64x96', '2@64x96'
OTHER = 'eseg_lite_s=x.pth@64x96'


def benchmark_of(*results, failures=()):
    reference = result(FULL, 500.0, 0.7, REFERENCE, 'float32', 20.0)
    return Benchmark((reference, *results), failures)


def operating_points_of(*results):
    return [one.row.operating_point for one in choose_operating_points(benchmark_of(*results))]


def test_the_operating_points_goes_from_the_most_costly_to_the_cheapest():
    rows = [result(ONE, 50.0), result(FULL, 100.0, gmac=20.0), result(PART, 80.0)]
    assert operating_points_of(*rows) == [FULL, PART, ONE]


def test_a_operating_point_that_is_slower_and_no_better_is_left_out():
    rows = [
        result(FULL, 100.0, 0.70, gmac=20.0),
        result(PART, 80.0, 0.65),
        result(ONE, 50.0, 0.66),
    ]
    assert operating_points_of(*rows) == [FULL, ONE]


def test_the_operating_points_is_of_the_quickest_backend():
    rows = [
        result(FULL, 100.0, gmac=20.0),
        result(FULL, 60.0, backend='compiled', gmac=20.0),
        result(ONE, 50.0),
        result(ONE, 40.0, backend='compiled'),
    ]
    chosen = choose_operating_points(benchmark_of(*rows))
    assert [(one.row.operating_point, one.row.backend) for one in chosen] == [
        (FULL, 'compiled'), (ONE, 'compiled'),
    ]  # fmt: skip


def test_without_a_measured_operating_point_there_is_no_operating_points():
    with pytest.raises(ConfigError, match='no operating point could be measured'):
        choose_operating_points(benchmark_of())


def test_the_parameter_file_is_one_of_the_node():
    rows = [result(FULL, 100.0, 0.7, gmac=20.0), result(ONE, 50.0), result(OTHER, 20.0)]
    chosen = choose_operating_points(benchmark_of(*rows))
    text = to_yaml(chosen, {'device': 'cpu (Some: chip)'}, 'mfaranet_resnet18')
    values = yaml.safe_load(text)['/**']['ros__parameters']
    flat = {f'{group}.{name}': value for group, names in values.items()
            for name, value in names.items()}  # fmt: skip
    config = replace(PipelineConfig(), flat)
    assert config.latency.adapt
    assert config.latency.operating_points == (FULL, ONE, OTHER)
    assert config.model.name == 'mfaranet_resnet18'
    assert (config.runtime.backend, config.runtime.precision) == ('torch', 'bfloat16')
    assert 'p50 100.0 ms, p95 120.0 ms, mean IoU 0.7000' in text
    assert 'cpu (Some: chip)' in text


def test_table_and_figures_hold_every_row():
    failure = Failure(Row('mfaranet_resnet18', ONE, 'auto', 'onnx'), 'not installed')
    found = benchmark_of(result(FULL, 100.0, 0.71234), failures=(failure,))
    text = describe(found)
    assert 'not measured: 2@64x96 onnx auto: not installed' in text
    line = next(line for line in text.splitlines() if ' torch ' in line)
    for part in (FULL, '100.0', '120.0', '130.0', '50.0%', '10.0', '2.00', '99.00%', '0.7123'):
        assert part in line
    values = figures(found)
    assert [row['backend'] for row in values['results']] == [REFERENCE, 'torch']
    assert values['results'][1]['ms']['total'] == {'p50': 100.0, 'p95': 120.0, 'p99': 130.0}
    assert values['failures'][0]['why'] == 'not installed'


@pytest.mark.parametrize('iou', [0.69, None])
def test_the_image_has_a_point_for_each_row(iou):
    figure = plot(benchmark_of(result(FULL, 100.0, iou), result(ONE, 50.0, iou, 'compiled')))
    (axes,) = figure.axes
    points = {rows.get_label(): rows.get_offsets().tolist() for rows in axes.collections}
    assert points == {
        REFERENCE: [[500.0, 0.7 if iou else 0.99]],
        'torch': [[100.0, iou or 0.99]],
        'compiled': [[50.0, iou or 0.99]],
    }
    assert [text.get_text() for text in axes.texts] == ['1,2,3,4', '1,2,3,4', '2']
    assert axes.get_ylabel() == ('mean IoU' if iou else 'share of equal labels')
    assert to_png(figure).startswith(b'\x89PNG')


# -- the verb ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--rounds', '0'], 'both must be 1 or more'),
        (['--operating-points', '5'], "unknown operating point '5'"),
        (['--size', '12'], 'write HEIGHTxWIDTH'),
        (['--backends', 'torhc'], "did you mean 'torch'"),
        (['--ground-truth', 'somewhere'], 'give --images'),
        (['--images', '/nowhere'], '/nowhere is no folder'),
        (['--weights', '/nowhere.safetensors'], '/nowhere.safetensors does not exist'),
    ],
)
def test_bad_arguments_are_one_line(capsys, arguments, words):
    assert main(['benchmark', *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_network_file_is_compared_with_itself_on_the_cpu(tmp_path, capsys):
    path = tiny_network(tmp_path / 'net.onnx', kind='probabilities')
    assert main(['inspect', str(path)]) == 0
    given = [
        'benchmark',
        '--weights',
        str(path),
        '--size',
        '48x64',
        '--rounds',
        '1',
        '--turn',
        '1',
    ]
    assert main([*given, '--backends', 'onnx,openvino,torch', '--json', str(tmp_path / 'a.json'),
                 '--write-config', str(tmp_path / 'a.yaml')]) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert 'a network file, which' in out  # the row of torch
    results = json.loads((tmp_path / 'a.json').read_text())['results']
    assert [one['backend'] for one in results] == ['reference', 'onnx', 'openvino']
    assert 'the file itself: ' in results[0]['detail']
    assert results[1]['agreement'] == 1.0
    assert results[2]['agreement'] > 0.98
    assert {one['gmac'] for one in results} == {None}
    values = yaml.safe_load((tmp_path / 'a.yaml').read_text())['/**']['ros__parameters']
    assert values['latency']['operating_points'] == [str(path)]


def test_the_verb_measures_and_writes(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, 'Pipeline', Fake)
    monkeypatch.setattr(run, 'peak_gmacs', lambda device, dtype: 100.0)
    files = [tmp_path / 'deep' / name for name in ('b.json', 'b.png', 'b.yaml')]
    code = main([
        'benchmark', '--weights', str(weights), '--device', 'cpu', '--size', '32x64',
        '--operating-points', '1,2,3,4 2@16x32', '--backends', 'torch', '--rounds', '1',
        '--turn', '1', '--markdown',
        '--json', str(files[0]), '--image', str(files[1]), '--write-config', str(files[2]),
    ])  # fmt: skip
    assert code == 0
    assert all(file.stat().st_size > 100 for file in files)
    out = capsys.readouterr().out
    assert 'an empty stage measures as' in out
    assert '| operating point | backend |' in out
    assert '2@16x32' in out
