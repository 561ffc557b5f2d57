# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network, backend, output topic and verb are each added from outside in one place, and used."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mfaranet_ros.backends import (
    Backend,
    BackendEntry,
    BackendInfo,
    MockBackend,
    list_backends,
    register_backend,
)
from mfaranet_ros.backends.registry import BACKENDS
from mfaranet_ros.cli.main import VERBS, main, register_verb
from mfaranet_ros.core.config import PipelineConfig, RuntimeConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import Frame, Output
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.models import create_model, list_models
from mfaranet_ros.models.registry import MODELS
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.messages import Float64
from mfaranet_ros.pipeline.style import Style
from mfaranet_ros.pipeline.topics import OUTPUT_TOPICS, OutputTopic, register_topic

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _only_for_one_test():
    """Take out of the registries again what a test has put in."""
    registries = MODELS, BACKENDS, OUTPUT_TOPICS, VERBS
    before = [list(registry) for registry in registries]
    yield
    for registry, names in zip(registries, before, strict=True):
        for name in set(registry) - set(names):
            del registry[name]


# -- an output topic -----------------------------------------------------------------------------


def road_share(result, style):
    road = style.label_set.names.index('Road')
    return Float64(float((result.labels == road).mean()))


ROAD_SHARE = OutputTopic('road_share', Float64.TYPE, road_share, 'share of the image that is road')


def street():
    pixels = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Frame(pixels, 'rgb8', 1_000_000_000, 'camera')


def mock_processor():
    return build_processor(replace(PipelineConfig(), {'runtime.backend': 'mock'}))


def test_an_output_topic_makes_a_message_of_a_result():
    register_topic(ROAD_SHARE)
    result = mock_processor()(street(), OUTPUT_TOPICS['road_share'].needs)
    value = OUTPUT_TOPICS['road_share'].encode(result, Style(get_label_set('camvid')))
    assert 0 < value.data < 1


def test_an_output_topic_is_in_the_documents():
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    register_topic(ROAD_SHARE)
    spec = importlib.util.spec_from_file_location('tables', ROOT / 'docs' / 'tables.py')
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    row = '| `~/road_share` | std_msgs/Float64 | reliable, 1 | share of the image that is road |'
    assert row in tables.topics_table().splitlines()


def test_an_output_topic_is_written_into_bags():
    from mfaranet_ros.evaluation.report.annotate import outputs_in_bag

    before = outputs_in_bag()
    register_topic(
        OutputTopic(
            'sure', Float64.TYPE, road_share, 'how sure', needs=frozenset({Output.CONFIDENCE})
        )
    )
    assert outputs_in_bag() - before == {Output.CONFIDENCE}


def test_a_second_output_topic_of_a_name_is_refused():
    register_topic(ROAD_SHARE)
    with pytest.raises(ConfigError, match="output topic 'road_share' is registered already"):
        register_topic(ROAD_SHARE)


# -- a backend -----------------------------------------------------------------------------------


class UpsideDown(MockBackend):
    """The mock's bands, sky below."""

    name = 'upside_down'

    def __call__(self, tensor):
        return super().__call__(tensor).flip(2)

    def describe(self):
        return BackendInfo(self.name, 'cpu', 'float32', 'a toy')


def build_upside_down(request) -> Backend:
    assert isinstance(request.network(), nn.Module)
    return UpsideDown(request.classes)


UPSIDE_DOWN = BackendEntry('upside_down', 'bands upside down', build_upside_down)


def test_a_backend_runs_in_the_pipeline(tmp_path):
    from mfaranet_ros.models import save_weights

    register_backend(UPSIDE_DOWN)
    assert 'upside_down' in list_backends()
    path = tmp_path / 'untrained.safetensors'
    save_weights(
        create_model('mfaranet_resnet18', classes=11), path, label_set=get_label_set('camvid')
    )
    config = replace(
        PipelineConfig(), {'runtime.backend': 'upside_down', 'model.weights': str(path)}
    )
    processor = build_processor(config)
    assert processor.backend.describe().name == 'upside_down'
    labels = processor(street()).labels
    assert labels[-1, 32] == mock_processor()(street()).labels[0, 32]


def test_a_backend_whose_package_is_missing_says_how_to_install_it():
    def build(request):
        raise ImportError('No module named quick')

    register_backend(BackendEntry('quick', 'quick', build, install='pip install quick'))
    config = replace(PipelineConfig(), {'runtime.backend': 'quick'})
    from mfaranet_ros.backends import create_backend

    with pytest.raises(ConfigError, match=r"'quick' needs a package .*: pip install quick"):
        create_backend(config.runtime, None, classes=2)


def test_a_backend_that_auto_may_take_comes_after_those_that_it_tries_first():
    from mfaranet_ros.backends import Choice, create_backend

    eager = BackendEntry(
        'eager', 'takes all', lambda request: UpsideDown(2), auto=lambda request: Choice(True, 'x')
    )
    register_backend(eager)
    toy = create_model('mfaranet_resnet18', classes=2)
    chosen = create_backend(RuntimeConfig(device='cpu'), toy, classes=2)
    assert chosen.name != 'upside_down'


@pytest.mark.parametrize('name', ['torch', 'auto'])
def test_a_backend_whose_name_is_taken_is_refused(name):
    with pytest.raises(ConfigError, match='choose another name'):
        register_backend(BackendEntry(name, 'a toy', build_upside_down))


# -- a network -----------------------------------------------------------------------------------


DOCUMENTED = re.findall(
    r'^```python\n(.*?)^```',
    (ROOT / 'docs' / 'adding_a_network.md').read_text(encoding='utf-8'),
    re.M | re.S,
)
"""The code of the page: the network, and how it is used."""


def register_pointwise():
    exec(compile(DOCUMENTED[0], 'adding_a_network.md', 'exec'), {'__name__': 'pointwise'})


def test_a_network_takes_less_than_30_lines():
    assert len(DOCUMENTED[0].splitlines()) < 30


def test_a_network_is_created_by_its_name_and_runs():
    register_pointwise()
    assert 'pointwise' in list_models()
    model = create_model('pointwise', classes=5).eval()
    assert model.name == 'pointwise'
    assert model.coarse_logits(torch.zeros(1, 3, 17, 24)).shape == (1, 5, 5, 6)


def test_a_network_is_saved_loaded_and_segments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    register_pointwise()
    names = {'image': street().pixels}
    exec(compile(DOCUMENTED[1], 'adding_a_network.md', 'exec'), names)
    assert names['result'].labels.shape == (48, 64)
    assert names['segmenter'].label_set.name == 'camvid'


def test_a_second_network_of_a_name_is_refused():
    register_pointwise()
    with pytest.raises(ConfigError, match="model 'pointwise' is registered already"):
        register_pointwise()


# -- a verb --------------------------------------------------------------------------------------

VERB = '''"""Say something politely."""


def add_arguments(parser):
    parser.add_argument('word')


def main(args):
    print(f'{args.word}, please')
    return 7
'''


def test_a_verb_is_listed_and_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / 'polite_verb.py').write_text(VERB, encoding='utf-8')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'polite_verb', raising=False)
    register_verb('say', 'polite_verb', 'say something politely')
    assert main(['say', 'silence']) == 7
    assert capsys.readouterr().out == 'silence, please\n'
    with pytest.raises(SystemExit):
        main(['--help'])
    assert 'say something politely' in capsys.readouterr().out


def test_a_second_verb_of_a_name_is_refused():
    with pytest.raises(ConfigError, match="verb 'evaluate' is registered already"):
        register_verb('evaluate', 'polite_verb', 'evaluate politely')
