# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet evaluate`: scores of folders of images, its report, and what it refuses."""

import json
import os

import cv2
import numpy as np
import pytest
import torch

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.data.images import read_frame
from mfaranet_ros.models import create_model, load_weights, read_weights, save_weights
from mfaranet_ros.pipeline.build import build_processor

MOCK = ('--set', 'runtime.backend=mock', '--set', 'runtime.precision=float32')
SIZE = (48, 64)
FRAMES = 3
ROAD, PAVEMENT, FENCE = 3, 4, 7
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
FIRST = 'mfaranet_resnet18_camvid_first.safetensors'


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, array)[1].tobytes())
    return path


def write_images(folder, names, size=SIZE):
    for name in names:
        write(folder / f'{name}.png', np.full((*size, 3), 128, np.uint8))
    return folder


def drawn(label_set='camvid', size=SIZE):
    """Return what the mock sees in every image."""
    config = replace(PipelineConfig(), {'runtime.backend': 'mock', 'model.labels': label_set})
    frame = Frame(np.zeros((*size, 3), np.uint8), 'rgb8', 0, 'camera')
    return build_processor(config)(frame).labels


@pytest.fixture
def folders(tmp_path):
    """Three images and the ground truth that the mock sees in them."""
    names = ('a', 'b', 'c')
    for name in names:
        write(tmp_path / 'truth' / f'{name}.png', drawn())
    return write_images(tmp_path / 'images', names), tmp_path / 'truth'


@pytest.fixture
def score(tmp_path, capsys):
    """Run the verb; return what it printed, and the figures it wrote."""

    def run(images, ground_truth, *arguments):
        path = tmp_path / 'out' / 'figures.json'
        given = [
            '--images',
            images,
            *(['--ground-truth', ground_truth] if ground_truth else []),
            *arguments,
        ]
        assert main(['evaluate', '--json', str(path), *map(str, given)]) == 0
        return capsys.readouterr().out, json.loads(path.read_text(encoding='utf-8'))

    return run


@pytest.fixture
def refused(capsys):
    """Run the verb with arguments that it refuses; return its one line."""

    def run(*arguments):
        assert main(['evaluate', *map(str, arguments)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith('error: ')
        return lines[0]

    return run


@pytest.mark.parametrize(
    'method',
    [(), ('--method', 'window'), ('--test-time-scales', '0.5,1', '--flip')],
    ids=['whole', 'window', 'test_time_scales'],
)
def test_what_is_seen_right_scores_one(score, tmp_path, method):
    """The foot of the drawn road lies in the middle, however the image is enlarged."""
    ground_truth = np.full(SIZE, 11, np.uint8)
    ground_truth[44:, 28:36] = ROAD
    write(tmp_path / 'truth' / 'a.png', ground_truth)
    images = write_images(tmp_path / 'images', 'a')
    _, found = score(images, tmp_path / 'truth', *MOCK, *method)
    assert found['scores']['pixels'] == 32
    assert found['scores']['mean_iou'] == 1


def test_a_report_says_all_that_decides(score, folders):
    text, found = score(*folders, *MOCK, '--scales', '2', '--ignore', str(FENCE))
    assert found['scores']['mean_iou'] == found['scores']['drivable']['iou'] == 1
    assert found['scores']['classes'][FENCE]['pixels'] == 0
    assert found['input']['images'] == len(found['scores']['images']) == FRAMES
    assert found['model']['scales'] == '2'
    assert (found['model']['operating_point'], found['model']['input_size']) == ('2', 'camera')
    assert found['model']['weights_sha256'] == 'none'
    assert found['config']['model.scales'] == [2]
    assert found['config']['runtime.precision'] == 'float32'
    assert found['method'] == {
        'window': None,
        'step': 1.0,
        'test_time_scales': [1.0],
        'flip': False,
    }
    assert set(found['versions']) >= {'mfaranet_ros', 'torch', 'numpy', 'opencv', 'python'}
    assert len(found['input']['sha256']) == 64
    assert 'whole image' in text
    assert 'drivable' in text


def test_wrong_labels_cost_what_they_must(score, folders):
    images, ground_truth = folders
    seen = drawn()
    write(ground_truth / 'b.png', np.where(seen == ROAD, PAVEMENT, seen).astype(np.uint8))
    _, found = score(images, ground_truth, *MOCK)
    assert found['scores']['drivable']['iou'] == pytest.approx(2 / 3)
    assert found['scores']['drivable']['precision'] == pytest.approx(2 / 3)
    assert found['scores']['drivable']['recall'] == 1
    assert [image['drivable_iou'] for image in found['scores']['images']] == [1, 0, 1]


def test_method_is_what_was_given(score, folders):
    _, found = score(*folders, *MOCK, '--method', 'multi-scale', '--window', '32x40')
    assert found['method']['window'] == [32, 40]
    assert found['method']['test_time_scales'] == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert found['method']['flip'] is True
    assert found['method']['step'] == pytest.approx(2 / 3)


def test_submission_holds_label_ids(score, tmp_path):
    names = ('ulm/ulm_000000_000019_leftImg8bit', 'bonn/bonn_000001_000019_leftImg8bit')
    images = write_images(tmp_path / 'images', names)
    out = tmp_path / 'sent'
    text, found = score(
        images, None, *MOCK, '--set', 'model.labels=cityscapes', '--submission', out
    )
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob('*.png'))
    assert written == sorted(f'{name}.png' for name in names)
    ids = cv2.imread(str(out / written[0]), cv2.IMREAD_UNCHANGED)
    labels = drawn('cityscapes')
    assert ids.shape == SIZE
    assert {seen: set(ids[labels == seen]) for seen in np.unique(labels)} == {
        seen: {LABEL_IDS[seen]} for seen in np.unique(labels)
    }
    assert len(np.unique(labels)) > 5
    assert found['scores'] is None
    assert f'2 images written to {out}' in text


def test_submission_is_scored_as_its_own_ground_truth(score, tmp_path):
    """What is written in label ids is read back from them."""
    name = 'ulm/ulm_000000_000019'
    images = write_images(tmp_path / 'images', [f'{name}_leftImg8bit'])
    labels = ('--set', 'model.labels=cityscapes')
    score(images, None, *MOCK, *labels, '--submission', tmp_path / 'sent')
    sent = (tmp_path / 'sent' / f'{name}_leftImg8bit.png').read_bytes()
    ground_truth = tmp_path / 'gtFine' / f'{name}_gtFine_labelIds.png'
    ground_truth.parent.mkdir(parents=True)
    ground_truth.write_bytes(sent)
    _, found = score(images, tmp_path / 'gtFine', *MOCK, *labels)
    assert found['scores']['mean_iou'] == found['scores']['pixel_accuracy'] == 1


@pytest.fixture
def real_frames(repository, tmp_path):
    """Two real frames with their ground truth, and weights that know them."""
    shared = repository.parent / 'shared'
    if not shared.is_dir():
        pytest.skip(f'the reference data {shared} is not here')
    for name in ('0016E5_07959', '0016E5_08157'):
        for folder, suffix in (('images', 'jpg'), ('labels', 'png')):
            source = shared / 'camvid' / 'val' / folder / f'{name}.{suffix}'
            (tmp_path / folder).mkdir(exist_ok=True)
            os.symlink(source, tmp_path / folder / source.name)
    return tmp_path / 'images', tmp_path / 'labels', shared / 'weights' / FIRST


def read_pairs(images, labels):
    """Yield frames and their ground truth."""
    for image in sorted(images.iterdir()):
        ground_truth = cv2.imread(str(labels / f'{image.stem}.png'), cv2.IMREAD_UNCHANGED)
        yield read_frame(image), torch.from_numpy(ground_truth).long()[None]


def label_plainly(model, weights, frame):
    """Label a frame by the network as it is published, at its own size."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (weights.mean, weights.std))
    rgb = torch.from_numpy(frame.pixels[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        return model((rgb - mean) / std).argmax(1)


@pytest.mark.parametrize('scales', ['1,2,3,4', '2'])
def test_real_frames_score_as_torchmetrics_says(score, real_frames, scales):
    classification = pytest.importorskip('torchmetrics.classification', reason='no torchmetrics')
    images, labels, path = real_frames
    given = ('--weights', path, '--scales', scales, '--precision', 'float32', '--device', 'cpu')
    _, found = score(images, labels, *given)

    weights = read_weights(path)
    kept = tuple(int(scale) for scale in scales.split(','))
    model = create_model('mfaranet_resnet18', classes=11, scales=kept)
    load_weights(model, weights)
    settings = {'model.weights': str(path), 'model.scales': kept, 'runtime.precision': 'float32'}
    pipeline = build_processor(replace(PipelineConfig(), settings))
    plain, ours = (
        classification.MulticlassJaccardIndex(num_classes=11, ignore_index=11) for _ in range(2)
    )
    for frame, ground_truth in read_pairs(images, labels):
        plain.update(label_plainly(model.eval(), weights, frame), ground_truth)
        ours.update(torch.from_numpy(pipeline(frame).labels).long()[None], ground_truth)
    mean_iou = found['scores']['mean_iou']
    assert mean_iou == pytest.approx(float(ours.compute()), abs=1e-6)
    assert mean_iou == pytest.approx(float(plain.compute()), abs=1e-4)
    assert found['scores']['classes'][ROAD]['iou'] > 0.9
    assert found['model']['weights_sha256'] == weights.sha256


# -- bad input -----------------------------------------------------------------------------------


def test_missing_pairs_are_named(refused, folders):
    images, ground_truth = folders
    (ground_truth / 'b.png').unlink()
    assert 'have no ground truth' in refused(
        '--images', images, '--ground-truth', ground_truth, *MOCK
    )


def test_broken_files_are_named_before_anything_runs(refused, folders):
    images, ground_truth = folders
    write(ground_truth / 'a.png', np.full((5, 5), 3, np.uint8))
    write(ground_truth / 'b.png', np.full(SIZE, 99, np.uint8))
    (images / 'c.png').write_bytes(b'\x89PNG\r\n\x1a\n')
    error = refused('--images', images, '--ground-truth', ground_truth, *MOCK)
    assert f'{ground_truth / "a.png"} is 5x5 px' in error
    assert f'{ground_truth / "b.png"} holds the values 99' in error
    assert f'{images / "c.png"} is broken' in error


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--scales', '5'), 'model.scales'),
        (('--model', 'mfaranet_resnet8'), "did you mean 'mfaranet_resnet18'"),
        (('--weights', '/nowhere.safetensors'), '/nowhere.safetensors does not exist'),
        (('--device', 'gpu'), 'unknown device'),
        (('--precision', 'int8'), 'runtime.precision'),
        ((*MOCK, '--window', '12'), '--window 12: write HEIGHTxWIDTH'),
        ((*MOCK, '--test-time-scales', '1,x'), '--test-time-scales 1,x: write numbers'),
        ((*MOCK, '--test-time-scales', '0'), 'test-time scales [0.0]'),
        ((*MOCK, '--ignore', '300'), '--ignore 300: ids are integers from 0 to 255'),
        ((*MOCK, '--ignore', '1.5'), '--ignore 1.5'),
        ((*MOCK, '--submission', 'x'), '--submission is for cityscapes, but the weights know'),
        ((*MOCK, '--set', 'output.resolution=network'), 'output.resolution'),
    ],
)
def test_bad_arguments_are_one_clear_line(refused, folders, arguments, said):
    images, ground_truth = folders
    if '--model' in arguments or '--device' in arguments or '--precision' in arguments:
        arguments = (*arguments, '--set', 'runtime.backend=torch')
    assert said in refused('--images', images, '--ground-truth', ground_truth, *arguments)


def test_nothing_to_do_is_said(refused, folders):
    assert 'nothing to do: give --ground-truth' in refused('--images', folders[0], *MOCK)


def test_submission_that_cannot_be_written_is_said(refused, folders, tmp_path):
    (tmp_path / 'file').write_text('in the way')
    error = refused(
        '--images', folders[0], *MOCK, '--set', 'model.labels=cityscapes',
        '--submission', tmp_path / 'file' / 'x',
    )  # fmt: skip
    assert 'cannot write' in error


def test_weights_of_other_labels_are_refused(refused, folders, tmp_path):
    path = tmp_path / 'weights.safetensors'
    model = create_model('mfaranet_resnet18', classes=11, scales=(2,))
    save_weights(model, path, label_set=get_label_set('camvid'))
    error = refused(
        '--images', folders[0], '--ground-truth', folders[1], '--weights', path, '--scales', '2',
        '--set', 'model.labels=cityscapes',
    )  # fmt: skip
    assert "was trained on 'camvid'" in error
