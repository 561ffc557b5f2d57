# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Preprocessing and postprocessing of network files, against torch and plain arithmetic."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.core.frame import UNLABELED, Frame, Geometry
from mfaranet_ros.core.labels import LabelClass, LabelSet, Role
from mfaranet_ros.core.specification import KEEP, FileOutputs, Head, InputForm, Specification
from mfaranet_ros.pipeline.file_postprocess import FilePostprocess
from mfaranet_ros.pipeline.file_preprocess import FilePreprocess
from mfaranet_ros.pipeline.postprocess import postprocess
from mfaranet_ros.pipeline.preprocess import Preprocess

RGB = np.random.default_rng(3).integers(0, 256, (36, 50, 3), np.uint8)


def frame_of(encoding='rgb8'):
    pixels = {
        'rgb8': RGB, 'bgr8': RGB[..., ::-1], 'mono8': RGB[..., :1],
        'rgba8': np.dstack([RGB, RGB[..., :1]]),
        'bgra8': np.dstack([RGB[..., ::-1], RGB[..., :1]]),
    }[encoding]  # fmt: skip
    return Frame(pixels, encoding, 0, 'camera')


def few_classes(count):
    return LabelSet(
        'few', tuple(LabelClass(i, f'c{i}', (i, 0, 0), Role.OBSTACLE) for i in range(count))
    )


# -- preprocessing -------------------------------------------------------------------------------


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8'])
@pytest.mark.parametrize('channels', ['rgb', 'bgr', 'gray'])
def test_channels_are_those_of_the_network_whatever_the_camera_sends(encoding, channels):
    gray = channels == 'gray'
    form = InputForm(channels=channels, mean=(0.0,) * (1 if gray else 3),
                     std=(1.0,) * (1 if gray else 3), size=(36, 50))  # fmt: skip
    given, geometry = FilePreprocess(form)(frame_of(encoding))
    expected = {
        'rgb': RGB,
        'bgr': RGB[..., ::-1],
        'gray': cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)[..., None],
    }[channels]
    np.testing.assert_allclose(given[0], expected.transpose(2, 0, 1) / 255, atol=1e-6)
    assert (geometry.content, geometry.offset, given.dtype) == ((36, 50), (0, 0), np.float32)


def test_a_gray_camera_gives_all_channels_the_same():
    given, _ = FilePreprocess(InputForm(size=(36, 50)))(frame_of('mono8'))
    assert np.array_equal(given[0, 0], given[0, 2])
    form = InputForm(channels='gray', mean=(0.0,), std=(1.0,), size=(36, 50))
    np.testing.assert_allclose(
        FilePreprocess(form)(frame_of('mono8'))[0][0, 0], RGB[..., 0] / 255, atol=1e-6
    )


def test_values_and_layout_are_those_of_the_form():
    mean, std = (0.5, 0.25, 0.75), (0.5, 2.0, 4.0)
    form = InputForm(layout='NHWC', range=(-1, 1), mean=mean, std=std, size=(36, 50))
    given, _ = FilePreprocess(form)(frame_of())
    assert given.shape == (1, 36, 50, 3)
    np.testing.assert_allclose(given[0], (RGB / 127.5 - 1 - mean) / std, atol=1e-6)
    plain = InputForm(layout='NHWC', type='uint8', range=(0, 255), size=(36, 50))
    assert np.array_equal(FilePreprocess(plain)(frame_of())[0][0], RGB)
    half = FilePreprocess(InputForm(type='float16', size=(36, 50)))(frame_of())[0]
    assert half.dtype == np.float16


@pytest.mark.parametrize(
    ('how', 'resize'),
    [
        ('linear', lambda size: cv2.resize(RGB, size, interpolation=cv2.INTER_LINEAR)),
        ('area', lambda size: cv2.resize(RGB, size, interpolation=cv2.INTER_AREA)),
        ('cubic', lambda size: cv2.resize(RGB, size, interpolation=cv2.INTER_CUBIC)),
        ('nearest', lambda size: cv2.resize(RGB, size, interpolation=cv2.INTER_NEAREST)),
        ('antialias', lambda size: Image.fromarray(RGB).resize(size, Image.Resampling.BILINEAR)),
    ],
)
def test_an_image_is_scaled_as_the_form_says(how, resize):
    form = InputForm(type='uint8', range=(0, 255), size=(16, 24), interpolation=how)
    given, _ = FilePreprocess(form)(frame_of())
    assert np.array_equal(given[0].transpose(1, 2, 0), np.asarray(resize((24, 16))))


def place(size=None, settings=(0, 0), camera=(36, 50), **fields):
    form = InputForm(size=size, dynamic=fields.pop('dynamic', size is None), **fields)
    return FilePreprocess(form, settings).geometry(*camera)


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (place((64, 96)), Geometry((36, 50), (64, 96), (64, 96))),
        (place(multiple=32), Geometry((36, 50), (64, 64), (64, 64))),
        (place(settings=(72, 0)), Geometry((36, 50), (72, 100), (72, 100))),
        (place((64, 96), (32, 32), dynamic=True), Geometry((36, 50), (32, 32), (32, 32))),
        (place((72, 150), resize='letterbox'), Geometry((36, 50), (72, 100), (72, 150))),
        (
            place((72, 151), resize='letterbox', align='center'),
            Geometry((36, 50), (72, 100), (72, 151), (0, 25)),
        ),
        (
            place(multiple=32, resize='letterbox', align='center'),
            Geometry((36, 50), (36, 50), (64, 64), (14, 7)),
        ),
        (place(multiple=32, resize='pad'), Geometry((36, 50), (36, 50), (64, 64))),
        (
            place((96, 64), resize='letterbox', camera=(100, 30)),
            Geometry((100, 30), (96, 29), (96, 64)),
        ),
    ],
)
def test_an_image_stands_in_the_input_as_the_form_says(given, expected):
    assert given == expected


def test_padding_has_its_value_and_the_image_its_place():
    form = InputForm(
        size=(40, 64),
        resize='pad',
        align='center',
        padding=114.0,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
    )
    given, geometry = FilePreprocess(form)(frame_of())
    assert geometry.offset == (2, 7)
    np.testing.assert_allclose(given[0, :, 0, 0], (114 / 255 - 0.5) / 0.25, atol=1e-6)
    inside = given[0, :, 2:38, 7:57]
    np.testing.assert_allclose(inside, (RGB.transpose(2, 0, 1) / 255 - 0.5) / 0.25, atol=1e-6)
    to_mean = FilePreprocess(InputForm(size=(40, 64), resize='pad', mean=(0.5,) * 3))
    assert not to_mean(frame_of())[0][0, :, 36:].any()


def test_what_cannot_be_is_refused_in_one_line():
    with pytest.raises(ConfigError, match=r'takes 64x96 only: set both to 0 or to that size'):
        FilePreprocess(InputForm(size=(64, 96)), (32, 0))
    with pytest.raises(InferenceError, match=r'36x50 does not fit .* 32x64, .*letterbox'):
        FilePreprocess(InputForm(size=(32, 64), resize='pad'))(frame_of())


def test_a_batch_is_its_inputs():
    preprocess = FilePreprocess(InputForm(size=(8, 8)))
    one = preprocess(frame_of())[0]
    assert preprocess.join([one, one]).shape == (2, 3, 8, 8)


# -- what our own exports need -------------------------------------------------------------------


@pytest.mark.parametrize('size', [(0, 0), (24, 0), (30, 64)])
def test_the_input_of_an_export_is_that_of_its_network(size):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ours = Preprocess(mean, std, size, torch.device('cpu'), torch.float32)
    form = InputForm(
        mean=mean, std=std, dynamic=True, resize='letterbox', interpolation='antialias'
    )
    expected, geometry = ours(frame_of())
    given, same = FilePreprocess(form, size)(frame_of())
    assert same == geometry
    assert np.abs(given - expected.numpy()).max() < 1.01 / 255 / min(std)  # one level


@pytest.mark.parametrize('resolution', ['camera', 'network'])
def test_the_labels_of_an_export_are_those_of_its_network(resolution):
    logits = torch.randn(1, 11, 15, 21, generator=torch.Generator().manual_seed(1))
    geometry = Geometry((90, 121), (58, 83), (58, 84))
    expected = postprocess(logits, geometry, resolution=resolution, with_confidence=True)
    head = Head(interpolation='align_corners', stride=4)
    given = decided(logits.numpy(), head, geometry, resolution, classes=11)
    assert np.mean(given[0] == expected[0]) > 0.9999
    difference = np.abs(given[1].astype(int) - expected[1])
    assert difference.max() <= 1


# -- postprocessing ------------------------------------------------------------------------------

SAME = Geometry((12, 16), (12, 16), (12, 16))


def decided(array, head, geometry=SAME, resolution='network', classes=3, confidence=True):
    specification = Specification('n', few_classes(classes), InputForm(), (head,))
    return FilePostprocess(specification)(
        FileOutputs((array if head.layout[0] == 'N' else array[None],)),
        geometry,
        resolution=resolution,
        with_confidence=confidence,
    )


def scores(channels, height, width, seed=0):
    return np.random.default_rng(seed).normal(size=(1, channels, height, width)).astype('f')


@pytest.mark.parametrize('camera', [(12, 16), (24, 32), (31, 43), (7, 9)])
@pytest.mark.parametrize('stride', [1, 4])
def test_scores_are_enlarged_as_torch_does_it(camera, stride):
    array = scores(3, 12 // stride, 16 // stride)
    full = F.interpolate(torch.from_numpy(array), camera, mode='bilinear')
    labels, confidence = decided(array, Head(), Geometry(camera, (12, 16), (12, 16)), 'camera')
    assert np.mean(labels == full.argmax(1)[0].numpy()) > 0.999
    expected = full.softmax(1).amax(1)[0].numpy() * 255
    assert np.abs(confidence - expected).max() < 1


def test_padding_is_left_out_wherever_the_image_stands():
    array = scores(3, 12, 16)
    geometry = Geometry((8, 10), (8, 10), (12, 16), (3, 2))
    labels, _ = decided(array, Head(), geometry)
    assert np.array_equal(labels, array[0, :, 3:11, 2:12].argmax(0))


@pytest.mark.parametrize('layout', ['NCHW', 'NHWC', 'CHW', 'HWC'])
def test_each_layout_of_scores_is_read(layout):
    array = scores(3, 12, 16)
    given = array.transpose(0, 2, 3, 1) if layout.endswith('HWC') else array
    given = given if layout[0] == 'N' else given[0]
    assert np.array_equal(decided(given, Head(layout=layout))[0], array[0].argmax(0))


@pytest.mark.parametrize('layout', ['NCHW', 'NHWC', 'NHW', 'HW'])
@pytest.mark.parametrize('dtype', ['int64', 'uint8', 'float32'])
def test_each_layout_of_labels_is_read_and_enlarged_by_the_nearest(layout, dtype):
    ids = np.random.default_rng(1).integers(0, 3, (6, 8)).astype(dtype)
    given = {
        'NCHW': ids[None, None], 'NHWC': ids[None, ..., None], 'NHW': ids[None], 'HW': ids,
    }[layout]  # fmt: skip
    geometry = Geometry((25, 31), (12, 16), (12, 16))
    head = Head(kind='labels', layout=layout)
    labels, confidence = decided(given, head, geometry, 'camera', confidence=False)
    full = cv2.resize(ids, (16, 12), interpolation=cv2.INTER_NEAREST_EXACT)
    inside = cv2.resize(full.astype('uint8'), (31, 25), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(labels, inside)
    assert confidence is None


def test_ids_that_are_no_class_are_unlabeled():
    ids = np.array([[[0, 2, 3, 255, -1, 1000]]])
    head = Head(kind='labels', layout='NHW')
    labels, _ = decided(ids, head, Geometry((1, 6), (1, 6), (1, 6)), confidence=False)
    assert labels.tolist() == [[0, 2, UNLABELED, UNLABELED, UNLABELED, UNLABELED]]


def test_labels_have_no_confidence_and_it_is_said():
    head = Head(kind='labels', layout='NHW')
    with pytest.raises(InferenceError, match='confidence: this network gives labels only'):
        decided(np.zeros((1, 12, 16)), head)


@pytest.mark.parametrize('kind', ['logits', 'probabilities'])
@pytest.mark.parametrize('threshold', [0.5, 0.2])
def test_one_channel_is_a_yes_above_its_threshold(kind, threshold):
    logits = scores(1, 12, 16)
    probability = 1 / (1 + np.exp(-logits))
    array = logits if kind == 'logits' else probability
    labels, confidence = decided(array, Head(kind=kind, threshold=threshold), classes=2)
    yes = probability[0, 0] > threshold
    assert np.array_equal(labels, yes)
    expected = np.where(yes, probability[0, 0], 1 - probability[0, 0]) * 255
    assert np.abs(confidence - expected).max() <= 0.51


def test_ids_that_share_a_label_add_up():
    array = scores(4, 12, 16)
    labels, confidence = decided(array, Head(classes=(0, 1, 1, 2)))
    ids = array[0].argmax(0)
    assert np.array_equal(labels, np.array([0, 1, 1, 2])[ids])
    soft = np.exp(array[0]) / np.exp(array[0]).sum(0)
    groups = np.stack([soft[0], soft[1] + soft[2], soft[3]])
    expected = np.take_along_axis(groups, labels[None].astype(int), 0)[0]
    assert np.abs(confidence / 255 - expected).max() < 0.01


def test_several_heads_become_one_label_set():
    area, lane = scores(2, 12, 16, 1), scores(2, 12, 16, 2)
    heads = (Head('da', classes=(0, 1)), Head('ll', classes=(KEEP, 2)))
    specification = Specification('n', few_classes(3), InputForm(), heads)
    labels, confidence = FilePostprocess(specification)(
        FileOutputs((area, lane)), SAME, resolution='network', with_confidence=True
    )
    is_area, is_lane = area[0].argmax(0), lane[0].argmax(0)
    assert np.array_equal(labels, np.where(is_lane, 2, is_area))
    soft = [np.exp(a[0]).max(0) / np.exp(a[0]).sum(0) for a in (area, lane)]
    expected = np.where(is_lane, soft[1], soft[0] * soft[1])
    assert np.abs(confidence / 255 - expected).max() < 0.01


def test_channels_of_one_output_are_heads_of_their_own():
    array = scores(2, 12, 16)
    heads = (Head(channel=0, classes=(0, 1)), Head(channel=1, classes=(KEEP, 2)))
    specification = Specification('n', few_classes(3), InputForm(), heads)
    labels, _ = FilePostprocess(specification)(
        FileOutputs((array,)), SAME, resolution='network', with_confidence=False
    )
    expected = np.where(array[0, 1] > 0, 2, np.where(array[0, 0] > 0, 1, 0))
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize(
    ('array', 'head', 'said'),
    [
        (np.zeros((1, 12, 16), 'f'), Head(), r'shape \(1, 12, 16\), but outputs.layout is NCHW'),
        (np.zeros((2, 3, 12, 16), 'f'), Head(), 'outputs.layout'),
        (np.zeros((1, 3, 12, 16), 'f'), Head(channel=3), 'outputs.channel is 3'),
        (np.zeros((1, 3, 12, 16), 'f'), Head(classes=(0, 1)), 'outputs.classes lists 2'),
        (np.full((1, 3, 12, 16), np.nan, 'f'), Head(), 'not finite'),
    ],
)
def test_outputs_that_do_not_fit_fail_the_frame_in_one_line(array, head, said):
    with pytest.raises(InferenceError, match=said) as caught:
        decided(array, head)
    assert '\n' not in str(caught.value)
