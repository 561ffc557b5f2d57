# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every network of the zoo promises, whatever its family: a new one is tested unasked."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from mfaranet_ros.backends import create_backend
from mfaranet_ros.backends.onnx_graph import make_graph
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import PipelineConfig, RuntimeConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.models import (
    ALL_SCALES,
    create_model,
    get_model_entry,
    list_models,
    load_weights,
    save_weights,
)
from mfaranet_ros.models.weights import published_state
from mfaranet_ros.pipeline.build import build_processor, prepare
from mfaranet_ros.training.config import LossConfig
from mfaranet_ros.training.losses import JointLoss

CLASSES = 11
SIZES = [(97, 131), (64, 96), (33, 20)]
LARGE = 40_000_000  # networks with more parameters are only run on the meta device, without values

every_model = pytest.mark.parametrize('name', list_models())


def parameter_count(name: str) -> int:
    with torch.device('meta'):
        model = create_model(name, classes=CLASSES)
    return sum(parameter.numel() for parameter in model.parameters())


def smallest_of_each_paper() -> list[str]:
    by_paper: dict[str, list[str]] = {}
    for name in list_models():
        by_paper.setdefault(get_model_entry(name).paper, []).append(name)
    return [min(names, key=parameter_count) for names in by_paper.values()]


SMALLEST = [*smallest_of_each_paper(), 'eseg_s']
"""One network of each family is run by all backends, and the one with gates; test_rewrite.py
holds the others' rewriting."""

every_small_model = pytest.mark.parametrize(
    'name', [name for name in list_models() if parameter_count(name) <= LARGE]
)


@pytest.fixture(scope='module')
def small_model(request, lively):
    return lively(create_model(request.param, classes=CLASSES, training_heads=True))


def coarse(size: tuple[int, int]) -> tuple[int, int]:
    return math.ceil(size[0] / 4), math.ceil(size[1] / 4)


def test_the_large_networks_are_the_exception():
    counts = [parameter_count(name) for name in list_models()]
    assert any(count <= LARGE for count in counts)


@every_model
def test_entry_says_what_the_network_needs(name):
    entry = get_model_entry(name)
    assert entry.name == name
    assert 'arXiv' in entry.paper
    assert all(0 < value < 1 for value in (*entry.mean, *entry.std))
    assert len(entry.mean) == len(entry.std) == 3
    assert entry.stride >= 4


@every_model
def test_sizes_of_all_outputs(name):
    with torch.device('meta'):
        model = create_model(name, classes=CLASSES).eval()
    assert model.name == name
    model.to_empty(device='cpu')
    for size in (SIZES[0], SIZES[-1]):
        x = torch.empty(0, 3, *size)  # a batch of no images has sizes and costs nothing
        assert model(x).shape == (0, CLASSES, *size)
        outputs = model.stage_outputs(x)
        assert len(outputs.scores) == len(outputs.scales)
        for coarse_map in (outputs.fused, *outputs.scores, *outputs.attentions):
            assert coarse_map.shape == (0, CLASSES, *coarse(size))
        assert outputs.boundaries == ()


@every_model
def test_names_are_among_the_published(name):
    with torch.device('meta'):
        whole = create_model(name, classes=CLASSES, training_heads=True)
        run = create_model(name, classes=CLASSES)
    published = {key: value.shape for key, value in published_state(whole).items()}
    assert {key: value.shape for key, value in whole.state_dict().items()} == published
    assert set(run.state_dict()) <= set(published)
    for key in set(published) - set(run.state_dict()):
        assert key.split('.')[0] in whole.TRAINING_HEADS
    assert run.translate(published) == {key: key for key in published}


@every_model
def test_a_part_of_the_scales_is_kept_or_refused(name):
    with torch.device('meta'):
        if get_model_entry(name).has_scales:
            assert create_model(name, classes=CLASSES, scales=(3, 2)).scales == (2, 3)
        else:
            with pytest.raises(ConfigError, match='all of its scales'):
                create_model(name, classes=CLASSES, scales=(2, 3))
        assert create_model(name, classes=CLASSES, scales=(4, 3, 2, 1)).scales == ALL_SCALES


@every_small_model
def test_every_parameter_learns(name, make_image):
    model = create_model(name, classes=CLASSES, training_heads=True).train()
    outputs = model.stage_outputs(make_image(97, 131, batch=2))
    answers = (outputs.fused, *outputs.scores, *outputs.boundaries)
    sum(answer.square().mean() for answer in answers).backward()
    gradients = {key: p.grad for key, p in model.named_parameters() if p.requires_grad}
    assert [key for key, value in gradients.items() if value is None] == []
    assert [key for key, value in gradients.items() if not value.isfinite().all()] == []
    assert len(outputs.boundaries) in (0, len(outputs.scores))
    assert len(gradients) > 10


@every_model
def test_a_single_cell_is_too_small_to_train_on(name):
    with torch.device('meta'):
        model = create_model(name, classes=CLASSES).train()
        stride = get_model_entry(name).stride
        with pytest.raises(ConfigError, match=rf'{name}: use {stride + 1} px or more') as caught:
            model(torch.empty(1, 3, stride, stride))
        assert '\n' not in str(caught.value)


@every_small_model
def test_a_step_of_training_lowers_the_loss(name, make_image):
    model = create_model(name, classes=CLASSES, training_heads=True)
    model.freeze_backbone(False)
    x, labels = make_image(40, 40, batch=6), torch.arange(6 * 40 * 40).view(6, 40, 40) // 900
    supervision = JointLoss(LossConfig(attention=0.0))  # which looks at other pixels each time

    def find_loss():
        torch.manual_seed(1)  # of the dropout
        return supervision(model.train().stage_outputs(x), labels.to(torch.uint8)).total

    before = find_loss()
    before.backward()
    slope = sum(p.grad.square().sum() for p in model.parameters())
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.001 * before / slope * p.grad
        assert find_loss() < before


@pytest.mark.parametrize('small_model', every_small_model.args[1], indirect=True)
class TestRunning:
    def test_one_size_after_another(self, small_model, make_image):
        with torch.inference_mode():
            for size in SIZES:
                logits = small_model(make_image(*size))
                assert logits.shape == (1, CLASSES, *size)
                assert logits.isfinite().all()
                assert logits.std() > 0
                coarse_logits = small_model.coarse_logits(make_image(*size))
                assert coarse_logits.shape == (1, CLASSES, *coarse(size))

    def test_nothing_is_remembered(self, small_model, make_image):
        x = make_image(64, 96)
        before = {id(m): set(vars(m)) for m in small_model.modules()}
        state = {key: value.clone() for key, value in small_model.state_dict().items()}
        with torch.inference_mode():
            first = small_model(x)
            small_model(make_image(33, 20))
            assert torch.equal(small_model(x), first)
        assert {id(m): set(vars(m)) for m in small_model.modules()} == before
        assert all(torch.equal(v, state[k]) for k, v in small_model.state_dict().items())

    def test_frames_of_a_batch_do_not_mix(self, small_model, make_image):
        x = make_image(64, 96, batch=2)
        with torch.inference_mode():
            together = small_model(x)
            for i in range(2):
                alone = small_model(x[i : i + 1])
                assert (together[i] - alone[0]).abs().max() <= 1e-3 * alone.abs().max()

    def test_half_precision_stays_close(self, small_model, make_image):
        x = make_image(64, 96)
        half = copy.deepcopy(small_model).to(torch.bfloat16)
        with torch.inference_mode():
            exact, rounded = small_model(x), half(x.to(torch.bfloat16))
        assert rounded.dtype == torch.bfloat16
        assert (rounded.float() - exact).abs().mean() < 0.1 * exact.abs().mean()

    def test_saved_and_loaded_it_gives_the_same(self, small_model, make_image, tmp_path):
        path = save_weights(small_model, tmp_path / 'x.safetensors', label_set=camvid())
        loaded = create_model(small_model.name, classes=CLASSES, training_heads=True)
        weights = load_weights(loaded, path)
        assert (weights.model, weights.classes) == (small_model.name, CLASSES)
        rounded = copy.deepcopy(small_model)
        for value in rounded.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half())
        x = make_image(33, 20)
        with torch.inference_mode():
            assert torch.equal(loaded.eval()(x), rounded(x))


@pytest.mark.parametrize('name', SMALLEST)
def test_every_backend_gives_the_same(name, lively, make_image):
    runtime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    model = lively(create_model(name, classes=CLASSES))
    data = make_graph(model, precision='float32', outputs='logits', size=None)
    session = runtime.InferenceSession(data, providers=['CPUExecutionProvider'])
    config = RuntimeConfig(backend='torch', device='cpu', precision='float32', threads=1)
    backend = create_backend(config, model, classes=CLASSES)
    for size in SIZES[::2]:
        x = make_image(*size)
        with torch.inference_mode():
            wanted = model.coarse_logits(x)
        (graphed,) = session.run(None, {'image': x.numpy()})
        for found in (backend(x), torch.from_numpy(graphed)):
            assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


@pytest.mark.parametrize('name', SMALLEST)
def test_the_pipeline_of_the_node_runs_it_and_names_it(name, lively, tmp_path):
    model = lively(create_model(name, classes=CLASSES))
    path = save_weights(model, tmp_path / 'x.safetensors', label_set=camvid())
    values = {
        'model.name': name, 'model.weights': str(path), 'input.height': 48, 'input.width': 64,
        'runtime.device': 'cpu', 'runtime.backend': 'torch', 'runtime.precision': 'float32',
    }  # fmt: skip
    pipeline = build_processor(replace(PipelineConfig(), values))
    try:
        facts = dict(prepare(pipeline))
        labels = pipeline(stored_frame()).labels
    finally:
        pipeline.close()
    assert facts['name'] == name
    has_scales = get_model_entry(name).has_scales
    assert facts['scales'] == ('1,2,3,4' if has_scales else 'all')
    assert labels.shape == stored_frame().size
    assert labels.max() < CLASSES


def camvid():
    return get_label_set('camvid')
