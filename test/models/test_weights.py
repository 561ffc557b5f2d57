# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Weights files that fit, and those that do not: published checkpoints and our own."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import resource
import stat

import pytest
import safetensors.torch
import torch

from mfaranet_ros.core.errors import ConfigError, OutputError, UnknownNameError, WeightsError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.models import (
    ALL_SCALES,
    create_model,
    find_weights,
    load_weights,
    read_weights,
    save_weights,
    weights,
)

NAME = 'mfaranet_resnet18'
CLASSES = 11
CAMVID = get_label_set('camvid')


@pytest.fixture(scope='module')
def published():
    """The state_dict of a whole published network of 11 classes, with its boundary heads."""
    torch.manual_seed(5)
    model = create_model(NAME, classes=CLASSES, training_heads=True)
    return {name: half(value) for name, value in model.state_dict().items()}


def half(value):
    return value.half() if value.is_floating_point() else value.clone()


def without_heads(state):
    return {name: value for name, value in state.items() if 'boundary_heads' not in name}


def prefixed(state):
    return {f'module.{name}': value for name, value in state.items()}


def in_training(state):
    moments = {0: {'momentum_buffer': torch.zeros(3)}}
    groups = [{'lr': 0.005, 'params': [0]}]
    optimizer = {'state': moments, 'param_groups': groups}
    return {'epoch': 200, 'state_dict': state, 'optimizer': optimizer}


def as_scale_choice(state):
    """The layout of the authors' network with a choice of scales."""
    nested = {}
    for name, value in state.items():
        if name.startswith(('layer1.', 'layer2.', 'layer3.', 'layer4.')):
            stage, rest = name.split('.', 1)
            name = f'{stage}.0.{rest}'
        nested[name.replace('HMSA_attentions', 'ASFM_attentions')] = value
    return nested


def without_counters(state):
    return {k: v for k, v in state.items() if not k.endswith('num_batches_tracked')}


LAYOUTS = {
    'without counters': without_counters,
    'published checkpoint': lambda state: in_training(prefixed(state)),
    'checkpoint without prefix': in_training,
    'bare state': lambda state: state,
    'bare state with prefix': prefixed,
    'bare state without boundary heads': without_heads,
    'checkpoint without boundary heads': lambda state: in_training(prefixed(without_heads(state))),
    'scale choice': lambda state: in_training(prefixed(as_scale_choice(state))),
    'float32': lambda state: {
        k: v.float() if v.is_floating_point() else v for k, v in state.items()
    },
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_published_layouts_load_into_any_scale_set(layout, published, tmp_path):
    path = tmp_path / 'published.pth'
    torch.save(LAYOUTS[layout](published), path)
    found = read_weights(path)
    expected = without_heads(published) if 'without boundary' in layout else published
    if layout == 'without counters':
        expected = without_counters(published)
    for scales, training_heads in ((ALL_SCALES, False), (ALL_SCALES, True), ((2,), True)):
        model = create_model(NAME, classes=CLASSES, scales=scales, training_heads=training_heads)
        load_weights(model, found)
        state = model.state_dict()
        assert len(state.keys() & expected.keys()) > 100
        for name in state.keys() & expected.keys():
            assert torch.equal(state[name], expected[name].to(state[name].dtype)), name


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors', '.pkl', ''])
def test_a_file_is_known_by_its_content(suffix, published, tmp_path):
    state = without_heads(published)
    for number, write in enumerate((torch.save, safetensors.torch.save_file)):
        path = tmp_path / f'{number}{suffix}'
        write(state, path)
        assert load_weights(create_model(NAME, classes=CLASSES), path).state.keys() == state.keys()


def test_older_checkpoints_load(published, tmp_path):
    path = tmp_path / 'old.pth'
    torch.save(in_training(published), path, _use_new_zipfile_serialization=False)
    load_weights(create_model(NAME, classes=CLASSES), path)


def test_what_was_read_says_where_it_comes_from(published, tmp_path):
    path = tmp_path / 'published.pth'
    torch.save(in_training(prefixed(published)), path)
    found = load_weights(create_model(NAME, classes=CLASSES), str(path))
    assert found.path == path
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.model, found.classes, found.label_set, found.training) == (None,) * 4
    assert (found.mean, found.std, found.scales) == (None,) * 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.path = path


def test_the_first_checkpoint_says_what_it_is(shared):
    found = read_weights(shared / 'weights' / 'mfaranet_resnet18_camvid_first.safetensors')
    assert (found.model, found.classes, found.label_set) == (NAME, CLASSES, 'camvid')
    assert found.mean == (0.485, 0.456, 0.406)
    assert found.std == (0.229, 0.224, 0.225)
    assert 'CamVid train' in found.training
    load_weights(create_model(NAME, classes=CLASSES), found)


def drop(names):
    return lambda state: {k: v for k, v in state.items() if k not in names}


def put(**entries):
    return lambda state: state | entries


HEAD = 'multi_loss_head.0.0.bias'
TORCHVISION = {
    'conv1.weight': torch.zeros(64, 3, 7, 7),
    'bn1.weight': torch.zeros(64),
    'layer1.0.conv1.weight': torch.zeros(64, 64, 3, 3),
    'fc.weight': torch.zeros(1000, 512),
    'fc.bias': torch.zeros(1000),
}

MISFITS = {
    'missing': (drop({HEAD}), [f'1 missing ({HEAD})']),
    'three missing': (
        drop({'layer0.1.bias', 'layer0.1.weight', 'layer0.1.running_mean', HEAD}),
        ['4 missing (layer0.1.weight, layer0.1.bias, layer0.1.running_mean and 1 more)'],
    ),
    'unexpected': (put(extra=torch.zeros(1)), ['1 unexpected (extra)']),
    'other shape': (
        put(**{'layer0.1.bias': torch.zeros(3)}),
        ['1 of another shape', 'layer0.1.bias: [3] float32 instead of [128] float32'],
    ),
    'other shape of what is not built': (
        put(**{'boundary_heads.0.0.bias': torch.zeros(3)}),
        ['boundary_heads.0.0.bias: [3] float32 instead of [1] float32'],
    ),
    'other type': (
        put(**{'layer0.1.bias': torch.zeros(128, dtype=torch.int64)}),
        ['layer0.1.bias: [128] int64 instead of [128] float32'],
    ),
    'foreign': (
        lambda _: TORCHVISION,
        ['missing (layer0.0.0.weight', '4 unexpected (conv1.weight, bn1.weight, fc.weight and 1'],
    ),
    'not finite': (
        put(**{'layer0.1.bias': torch.full((128,), float('nan'))}),
        ['not finite in 1 of its tensors (layer0.1.bias)'],
    ),
    'twice': (
        lambda state: prefixed(state) | {HEAD: state[HEAD]},
        ['with and without the prefix'],
    ),
    'twice by translation': (
        put(**{'layer1.0.0.conv1.weight': torch.zeros(64, 128, 3, 3)}),
        ['twice, under two names'],
    ),
    'attentions of unknown scales': (
        lambda state: {k: v for k, v in as_scale_choice(state).items() if 'attentions.3' not in k},
        ['unexpected (ASFM_attentions.0.0.weight'],
    ),
}


@pytest.mark.parametrize('kind', MISFITS)
def test_misfits_are_named_and_change_nothing(kind, published, tmp_path):
    change, expected = MISFITS[kind]
    path = tmp_path / 'misfit.pth'
    torch.save(change(published), path)
    model = create_model(NAME, classes=CLASSES)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_weights(model, path)
    message = str(caught.value)
    assert str(path) in message
    assert '\n' not in message
    for part in expected:
        assert part in message
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize('scales', [ALL_SCALES, (2,)])
def test_another_number_of_classes_is_said_so(scales, published, tmp_path):
    torch.save(published, tmp_path / 'eleven.pth')
    eleven = create_model(NAME, classes=CLASSES, scales=scales)
    save_weights(eleven, tmp_path / 'eleven.safetensors', label_set=CAMVID)
    nineteen = create_model(NAME, classes=19, scales=scales)
    for path in (tmp_path / 'eleven.pth', tmp_path / 'eleven.safetensors'):
        with pytest.raises(WeightsError, match='weights of 11 classes, but the network has 19'):
            load_weights(nineteen, path)


def test_weights_of_another_network_are_said_so(tmp_path):
    path = tmp_path / 'x.safetensors'
    save_weights(create_model(NAME, classes=CLASSES), path, label_set=CAMVID)
    with torch.device('meta'):
        other = create_model('mfaranet_resnet50', classes=CLASSES)
    with pytest.raises(WeightsError, match=r'of mfaranet_resnet18, but .* mfaranet_resnet50'):
        load_weights(other, path)


def test_weights_of_fewer_scales_say_which(tmp_path):
    path = tmp_path / 'pruned.safetensors'
    save_weights(create_model(NAME, classes=CLASSES, scales=(2, 3)), path, label_set=CAMVID)
    assert read_weights(path).scales == (2, 3)
    load_weights(create_model(NAME, classes=CLASSES, scales=(3,)), path)
    with pytest.raises(WeightsError, match=r'missing .*saved with scales 2, 3 only'):
        load_weights(create_model(NAME, classes=CLASSES, scales=(1, 2)), path)


class TestFinding:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, monkeypatch):
        self.folder = tmp_path / 'shipped'
        self.folder.mkdir()
        monkeypatch.setattr(weights, 'SHIPPED_FOLDER', self.folder)
        monkeypatch.chdir(tmp_path)

    def ship(self, *names):
        for name in names:
            (self.folder / name).touch()

    def test_the_one_that_is_shipped(self):
        self.ship('mfaranet_resnet18_camvid.safetensors', 'mfaranet_resnet50_camvid.safetensors')
        assert find_weights(NAME) == self.folder / 'mfaranet_resnet18_camvid.safetensors'

    def test_none_is_shipped(self):
        self.ship('mfaranet_resnet50_camvid.safetensors', 'mfaranet_resnet18_camvid.txt')
        with pytest.raises(WeightsError, match='no weights are shipped for mfaranet_resnet18'):
            find_weights(NAME)

    def test_several_are_shipped(self):
        self.ship('mfaranet_resnet18_a.safetensors', 'mfaranet_resnet18_b.safetensors')
        with pytest.raises(WeightsError, match=r'18_a\.safetensors, mfaranet_resnet18_b'):
            find_weights(NAME)
        shipped = self.folder / 'mfaranet_resnet18_b.safetensors'
        assert find_weights(NAME, 'mfaranet_resnet18_b.safetensors') == shipped

    def test_a_path_is_taken_as_it_is(self, tmp_path):
        assert find_weights(NAME, '/some/where.pth').as_posix() == '/some/where.pth'
        assert find_weights(NAME, '~/x.pth') == tmp_path.home() / 'x.pth'

    def test_a_file_in_the_working_folder_comes_first(self, tmp_path):
        self.ship('mine.safetensors')
        (tmp_path / 'mine.safetensors').touch()
        assert find_weights(NAME, 'mine.safetensors').resolve() == tmp_path / 'mine.safetensors'

    def test_an_unknown_model(self):
        with pytest.raises(UnknownNameError):
            find_weights('mfaranet_resnet81')


@pytest.fixture(scope='module')
def model():
    return create_model(NAME, classes=CLASSES, scales=(2,))


class TestSaving:
    def test_the_file_says_what_it_is(self, model, tmp_path):
        path = tmp_path / 'x.safetensors'
        facts = {'training': 'not at all'}
        assert save_weights(model, path, label_set=CAMVID, facts=facts) == path
        found = read_weights(path)
        assert (found.model, found.classes, found.label_set) == (NAME, CLASSES, 'camvid')
        assert (found.training, found.scales) == ('not at all', (2,))
        assert found.mean == (0.485, 0.456, 0.406)
        assert found.std == (0.229, 0.224, 0.225)
        floats = {v.dtype for v in found.state.values() if v.is_floating_point()}
        assert floats == {torch.float16}
        assert stat.S_IMODE(path.stat().st_mode) & 0o444

    def test_equal_weights_have_equal_files(self, model, tmp_path):
        files = [tmp_path / f'{i}.safetensors' for i in range(3)]
        for file in files:
            save_weights(model, file, label_set=CAMVID, facts={'training': 'x', 'a': 'b'})
        assert len({read_weights(file).sha256 for file in files}) == 1

    def test_a_changed_bit_is_noticed(self, model, tmp_path):
        path = save_weights(model, tmp_path / 'a.safetensors', label_set=CAMVID)
        data = bytearray(path.read_bytes())
        data[-1000] ^= 1
        path.write_bytes(data)
        with pytest.raises(WeightsError, match='sha256 differs'):
            read_weights(path)

    def test_what_float16_cannot_hold_stays_float32(self, tmp_path):
        model = create_model(NAME, classes=CLASSES, scales=(1,))
        model.state_dict()['layer0.1.running_var'][:] = 1e6
        save_weights(model, tmp_path / 'x.safetensors', label_set=CAMVID)
        state = read_weights(tmp_path / 'x.safetensors').state
        assert state['layer0.1.running_var'].dtype == torch.float32
        assert bool((state['layer0.1.running_var'] == 1e6).all())

    def test_any_memory_format(self, tmp_path):
        model = create_model(NAME, classes=CLASSES, scales=(2,)).to(
            memory_format=torch.channels_last
        )
        save_weights(model, tmp_path / 'x.safetensors', label_set=CAMVID)
        state = read_weights(tmp_path / 'x.safetensors').state
        for name, value in model.state_dict().items():
            torch.testing.assert_close(state[name].to(value.dtype), value, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize(
        ('label_set', 'facts'),
        [
            ('cityscapes', {}),
            ('camvid', {'classes': '12'}),
            ('camvid', {'training': 3}),
        ],
    )
    def test_what_does_not_fit_is_not_saved(self, label_set, facts, model, tmp_path):
        path = tmp_path / 'x.safetensors'
        with pytest.raises(ConfigError):
            save_weights(model, path, label_set=get_label_set(label_set), facts=facts)
        assert list(tmp_path.iterdir()) == []

    def test_a_failed_training_is_not_saved(self, tmp_path):
        model = create_model(NAME, classes=CLASSES, scales=(1,))
        model.state_dict()['layer0.1.bias'][0] = float('inf')
        with pytest.raises(WeightsError, match=r'layer0\.1\.bias'):
            save_weights(model, tmp_path / 'x.safetensors', label_set=CAMVID)
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_fills_up_leaves_the_earlier_file_whole(self, model, tmp_path):
        path = tmp_path / 'x.safetensors'
        save_weights(model, path, label_set=CAMVID)
        earlier = path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(earlier) // 2, limits[1]))
        try:
            with pytest.raises(OutputError, match='cannot write'):
                save_weights(model, path, label_set=CAMVID)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == earlier
        assert list(tmp_path.iterdir()) == [path]

    def test_a_full_disk_is_said_so(self, model, tmp_path, monkeypatch):
        def full(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, 'fsync', full)
        with pytest.raises(OutputError, match='No space left on device'):
            save_weights(model, tmp_path / 'x.safetensors', label_set=CAMVID)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize('place', ['missing/x.safetensors', '.'])
    def test_a_place_that_cannot_be_written(self, place, model, tmp_path):
        with pytest.raises(OutputError):
            save_weights(model, tmp_path / place, label_set=CAMVID)
