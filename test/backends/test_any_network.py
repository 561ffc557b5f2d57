# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Network files of others give the labels of a plain script, whatever their habits are.

The script below knows nothing of the package: OpenCV and Pillow before ONNX Runtime, torch after.
"""

import itertools
import random
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
import yaml
from fixtures.tiny_onnx import tiny_network
from PIL import Image

from mfaranet_ros.backends import presets
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.frame import Frame, Output
from mfaranet_ros.pipeline.build import build_processor, prepare

FOREIGN = Path(__file__).parents[3] / 'shared' / 'foreign'
CAMVID = Path(__file__).parents[3] / 'shared' / 'camvid' / 'val' / 'images'

CHOICES = {
    'layout': ('NCHW', 'NHWC'),
    'type': ('float32', 'float16', 'uint8'),
    'channels': ('rgb', 'bgr', 'gray'),
    'values': ('unit', 'bytes', 'signed', 'imagenet'),
    'size': ('fixed', 'dynamic', 'any'),
    'resize': ('stretch', 'letterbox', 'pad'),
    'align': ('top_left', 'center'),
    'padding': (114, 'mean'),
    'interpolation': ('linear', 'antialias', 'area', 'cubic', 'nearest'),
    'kind': ('logits', 'probabilities', 'labels'),
    'out_layout': ('NCHW', 'NHWC', 'CHW', 'HWC', 'NHW', 'HW'),
    'stride': (1, 4),
    'between': ('bilinear', 'align_corners', 'nearest'),
    'ids': ('all', 'one channel', 'one of several', 'regrouped'),
    'opset': (9, 12, 17),
    'batch': (1, 'batch'),
    'names': (('image', 'scores'), ('0', '1')),
    'portrait': (False, True),
}


def allowed(c):
    """Return whether the schema allows a combination; the rest is refused by its own tests."""
    if c['type'] == 'uint8' and (c['values'] != 'bytes' or c['padding'] == 'mean'):
        return False
    if c['kind'] == 'labels':
        return c['between'] == 'nearest' and c['ids'] in ('all', 'regrouped')
    if 'C' not in c['out_layout']:
        return c['ids'] == 'one channel'
    return True


def combinations(count, seed=4):
    """Return combinations in which every pair of choices that is allowed occurs."""
    generator, found, covered = random.Random(seed), [], set()
    while len(found) < count:
        drawn = []
        while len(drawn) < 30:
            c = {name: generator.choice(values) for name, values in CHOICES.items()}
            if allowed(c):
                drawn.append(c)
        best = max(drawn, key=lambda c: len(pairs(c) - covered))
        covered |= pairs(best)
        found.append(best)
    return found


def pairs(c):
    return set(itertools.combinations(sorted((k, str(v)) for k, v in c.items()), 2))


def values_of(c):
    planes = 1 if c['channels'] == 'gray' else 3
    mean, std = {
        'unit': (0, 1), 'bytes': (0, 1), 'signed': (0, 1), 'imagenet': ((0.485, 0.456, 0.406),
                                                                       (0.229, 0.224, 0.225)),
    }[c['values']]  # fmt: skip
    black, white = {'bytes': (0, 255), 'signed': (-1, 1)}.get(c['values'], (0, 1))
    return (black, white), np.resize(mean, planes), np.resize(std, planes)


def street(portrait=False, seed=0):
    """Return an image (60, 80, 3) RGB with soft areas, as photographs have them."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), np.uint8)
    image = cv2.resize(noise, (80, 60), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(image.transpose(1, 0, 2)) if portrait else image


# -- the script ----------------------------------------------------------------------------------


def script_input(image, c, size):
    """Return the input, and where the image stands in it: (top, left, height, width)."""
    if c['channels'] == 'gray':
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    elif c['channels'] == 'bgr':
        image = image[..., ::-1].copy()
    height, width = image.shape[:2]
    if c['resize'] == 'stretch':
        image = script_resize(image, size, c['interpolation'])
    elif c['resize'] == 'letterbox':
        ratio = min(size[0] / height, size[1] / width)
        inner = (round(height * ratio), round(width * ratio))
        image = script_resize(image, inner, c['interpolation'])
    rows, columns = image.shape[:2]
    top = (size[0] - rows) // 2 if c['align'] == 'center' else 0
    left = (size[1] - columns) // 2 if c['align'] == 'center' else 0
    if c['resize'] == 'stretch':
        top = left = 0
    (black, white), mean, std = values_of(c)
    if c['type'] == 'uint8':
        whole = np.full((*size, image.shape[2]), 114, np.uint8)
        whole[top : top + rows, left : left + columns] = image
    else:
        pixels = (image / 255.0 * (white - black) + black - mean) / std
        value = (114 / 255.0 * (white - black) + black - mean) / std
        whole = np.zeros((*size, image.shape[2])) + (0 if c['padding'] == 'mean' else value)
        whole[top : top + rows, left : left + columns] = pixels
    whole = whole[None] if c['layout'] == 'NHWC' else whole.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(whole.astype(c['type'])), (top, left, rows, columns)


def script_resize(image, size, how):
    if how == 'antialias':
        planes = [Image.fromarray(image[..., i]) for i in range(image.shape[2])]
        planes = [each.resize(size[::-1], Image.Resampling.BILINEAR) for each in planes]
        return np.stack([np.asarray(each) for each in planes], axis=-1)
    flag = {'linear': cv2.INTER_LINEAR, 'area': cv2.INTER_AREA, 'cubic': cv2.INTER_CUBIC,
            'nearest': cv2.INTER_NEAREST}[how]  # fmt: skip
    resized = cv2.resize(image, size[::-1], interpolation=flag)
    return resized.reshape(*size, image.shape[2])


def script_labels(path, c, image, size):
    given, (top, left, rows, columns) = script_input(image, c, size)
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    (array,) = session.run(None, {c['names'][0]: given})
    array = torch.from_numpy(np.asarray(array, 'float32'))
    layout = c['out_layout']
    if layout.startswith('N'):
        array, layout = array[0], layout[1:]
    array = {'CHW': array, 'HWC': array.permute(2, 0, 1) if array.ndim == 3 else array,
             'HW': array[None]}[layout]  # fmt: skip
    mode = {'mode': 'nearest' if c['between'] == 'nearest' else 'bilinear'}
    if c['between'] == 'align_corners':
        mode['align_corners'] = True
    full = F.interpolate(array[None], size, **mode)[0]
    full = full[:, top : top + rows, left : left + columns].numpy()
    if c['kind'] == 'labels':
        ids = full[0].astype(int)
    elif c['ids'] in ('one channel', 'one of several'):
        channel = full[1 if c['ids'] == 'one of several' else 0]
        limit = 0.6 if c['kind'] == 'probabilities' else np.log(0.6 / 0.4)
        ids = (channel > limit).astype(int)
    else:
        ids = full.argmax(0)
    return np.array([1, 0, 1])[ids] if c['ids'] == 'regrouped' else ids


COMBINATIONS = combinations(108)

# -- the matrix ----------------------------------------------------------------------------------


def specification_of(c, size):
    planes = 1 if c['channels'] == 'gray' else 3
    (black, white), mean, std = values_of(c)
    count = 3 if c['ids'] == 'all' else 2
    head = {'kind': c['kind'], 'layout': c['out_layout'], 'interpolation': c['between'],
            'stride': c['stride']}  # fmt: skip
    if c['ids'] == 'regrouped':
        head['classes'] = ['b', 'a', 'b']
    if c['ids'] in ('one channel', 'one of several'):
        head['threshold'] = 0.6
    if c['ids'] == 'one of several':
        head['channel'] = 1
    form = {
        'layout': c['layout'], 'type': c['type'], 'channels': c['channels'],
        'range': [black, white], 'mean': mean.tolist(), 'std': std.tolist(),
        'resize': c['resize'], 'align': c['align'], 'padding': c['padding'],
        'interpolation': c['interpolation'],
    }  # fmt: skip
    if c['size'] != 'any':
        form |= {'size': list(size), 'dynamic': c['size'] == 'dynamic'}
    else:
        form |= {'multiple': 16}
    assert planes == len(mean)
    roles = ('drivable', 'obstacle', 'background')
    labels = [{'name': n, 'role': r} for n, r in zip('abc', roles, strict=True)][:count]
    return {'version': 1, 'labels': labels, 'input': form, 'outputs': [head]}


@pytest.mark.parametrize('number', range(6))
def test_every_habit_gives_the_labels_of_a_plain_script(number, tmp_path):
    chosen = COMBINATIONS[number::6]
    for index, c in enumerate(chosen):
        size = (80, 64) if c['portrait'] else (64, 96)
        if c['resize'] == 'pad' or c['size'] == 'any':
            size = (80, 64) if c['portrait'] else (64, 80)
        path = tmp_path / f'{index}.onnx'
        tiny_network(
            path,
            classes=1 if c['ids'] == 'one channel' else 3,
            planes=1 if c['channels'] == 'gray' else 3, layout=c['layout'], dtype=c['type'],
            size=size if c['size'] == 'fixed' else None, kind=c['kind'],
            out_layout=c['out_layout'], stride=c['stride'], opset=c['opset'], names=c['names'],
            batch=c['batch'], gain=1 / 50 if c['values'] == 'bytes' else 1.0, seed=index,
        )  # fmt: skip
        path.with_suffix('.yaml').write_text(yaml.safe_dump(specification_of(c, size)))
        image = street(c['portrait'], index)
        expected = script_labels(path, c, image, size)
        processor = build_processor(config(path, c['kind']))
        result = processor(Frame(image, 'rgb8', 0, 'camera'))
        agreement = np.mean(result.labels == expected)
        assert agreement >= 0.999, (agreement, c)


PLAIN = {
    'layout': 'NCHW', 'type': 'float32', 'channels': 'rgb', 'values': 'imagenet',
    'resize': 'stretch', 'align': 'top_left', 'padding': 114, 'interpolation': 'linear',
    'kind': 'logits', 'out_layout': 'NCHW', 'stride': 1, 'between': 'bilinear', 'ids': 'all',
}  # fmt: skip
PRESETS = {
    'segformer_huggingface': {'names': ('pixel_values', 'logits'), 'classes': 19, 'stride': 4,
                              'interpolation': 'antialias', 'opset': 14},
    'mmsegmentation': {'names': ('input', 'output'), 'classes': 19, 'kind': 'labels',
                       'between': 'nearest', 'fixed': (512, 1024), 'opset': 11},
    'yolo_semantic': {'names': ('images', 'output0'), 'classes': 19, 'kind': 'labels',
                      'out_layout': 'NHW', 'values': 'unit', 'resize': 'letterbox',
                      'align': 'center', 'between': 'nearest', 'opset': 12},
    'torchvision': {'names': ('input', 'out'), 'classes': 21, 'interpolation': 'antialias',
                    'opset': 17},
    'smp_binary': {'names': ('input', 'output'), 'classes': 1, 'ids': 'binary', 'opset': 13},
    'nav2_tutorial': {'names': ('input', 'output'), 'classes': 3, 'opset': 11},
}  # fmt: skip
"""What each kind of export writes, with sizes that follow the camera where none is fixed."""


@pytest.mark.parametrize('preset', PRESETS)
def test_a_preset_runs_what_its_exporter_writes(preset, tmp_path, capsys):
    c = {**PLAIN, **PRESETS[preset]}
    path = tmp_path / 'net.onnx'
    tiny_network(
        path, classes=c['classes'], size=c.get('fixed'), kind=c['kind'], stride=c['stride'],
        out_layout=c['out_layout'], opset=c['opset'], names=c['names'], batch='batch_size',
    )  # fmt: skip
    assert main(['inspect', str(path), '--preset', preset]) == 0
    capsys.readouterr()
    assert main(['inspect', str(path)]) == 0
    assert 'fits the file' in capsys.readouterr().out
    image = cv2.resize(street(), (96, 64), interpolation=cv2.INTER_CUBIC)
    size = c.get('fixed', (64, 96))
    wanted = {} if 'fixed' in c else {'input.height': size[0], 'input.width': size[1]}
    processor = build_processor(config(path, c['kind'], **wanted))
    assert float(dict(prepare(processor))['self_test_agreement']) > 0.99
    labels = processor(Frame(image, 'rgb8', 0, 'camera')).labels
    if c['ids'] == 'binary':
        logit = onnxruntime.InferenceSession(str(path)).run(None, {
            'input': script_input(image, c, size)[0]
        })[0][0, 0]  # fmt: skip
        assert np.mean(labels == (logit > 0)) >= 0.999
    else:
        assert np.mean(labels == script_labels(path, c, image, size)) >= 0.999


def test_every_preset_is_run():
    folder = Path(presets.__path__[0])
    assert {path.stem for path in folder.glob('*.yaml')} == set(PRESETS)


def test_the_matrix_holds_every_pair_of_choices():
    covered = set().union(*map(pairs, COMBINATIONS))
    generator, possible = random.Random(1), set()
    for _ in range(15_000):
        c = {name: generator.choice(values) for name, values in CHOICES.items()}
        if allowed(c):
            possible |= pairs(c)
    assert len(possible & covered) / len(possible) > 0.99


def config(path, kind='logits', **more):
    settings = {
        'model.weights': str(path), 'runtime.device': 'cpu', 'output.resolution': 'network',
        **more,
    }  # fmt: skip
    if kind == 'labels':
        settings['drivable.min_confidence'] = 0.0
    return replace(PipelineConfig(), settings)


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_swapped_outputs_are_told_apart_by_name(tmp_path, backend):
    pytest.importorskip(backend if backend == 'openvino' else 'onnxruntime')
    path = tiny_network(tmp_path / 'n.onnx', classes=2, names=('x', 'lanes', 'area'))
    labels = [{'name': n, 'role': 'obstacle'} for n in ('none', 'area', 'lane')]
    heads = [{'name': 'area', 'classes': ['none', 'area']},
             {'name': 'lanes', 'classes': ['keep', 'lane']}]  # fmt: skip
    path.with_suffix('.yaml').write_text(
        yaml.safe_dump({'version': 1, 'labels': labels, 'outputs': heads})
    )
    processor = build_processor(
        config(path, **{'runtime.backend': backend, 'runtime.precision': 'float32'})
    )
    assert float(dict(prepare(processor))['self_test_agreement']) > 0.999
    image = cv2.resize(street(), (64, 48))
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    given = (image.transpose(2, 0, 1)[None] / 255).astype('f')
    area, lanes = session.run(['area', 'lanes'], {'x': given})
    expected = np.where(lanes[0].argmax(0), 2, area[0].argmax(0))
    wanted = {Output.MASK, Output.CONFIDENCE}
    found = processor(Frame(image, 'rgb8', 0, 'camera'), wanted)
    assert np.mean(found.labels == expected) > 0.999
    assert found.confidence.min() > 0


# -- the files of others -------------------------------------------------------------------------

LANES = """version: 1
labels:
- {name: background, role: obstacle}
- {name: drivable area, role: drivable}
- {name: lane line, role: drivable}
"""

SPECIFICATIONS = {
    'twinlitenetplus_small.onnx': LANES + """
input: {size: [384, 640]}
outputs:
- {name: da, classes: [background, drivable area]}
- {name: ll, classes: [keep, lane line]}
""",
    'twinlitenet_int8_qdq.onnx': LANES + """
input: {size: [320, 320]}
outputs:
- {name: drivable_area, classes: [background, drivable area]}
- {name: lanes, classes: [keep, lane line]}
""",
    'road-segmentation-adas-0001.xml': """version: 1
labels:
- {name: background, role: obstacle}
- {name: road, role: drivable}
- {name: curb, role: obstacle}
- {name: mark, role: drivable}
input: {channels: bgr, range: [0, 255]}
outputs:
- {kind: probabilities}
""",
}  # fmt: skip


def own_twinlite(path, image, size):
    given = cv2.resize(image, size[::-1])[..., ::-1].transpose(2, 0, 1)[None] / 255.0
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    area, lanes = session.run(None, {session.get_inputs()[0].name: given.astype('f')})
    return np.where(lanes[0].argmax(0) == 1, 2, area[0].argmax(0))


def own_adas(path, image):
    import openvino

    core = openvino.Core()
    options = {'INFERENCE_PRECISION_HINT': 'f32'}
    network = core.compile_model(core.read_model(path), 'CPU', options)
    given = cv2.resize(image, (896, 512)).transpose(2, 0, 1)[None].astype('f')
    return network([given])[0][0].argmax(0)


@pytest.mark.slow
@pytest.mark.skipif(not (FOREIGN.exists() and CAMVID.exists()), reason='no ../shared')
@pytest.mark.parametrize('name', SPECIFICATIONS)
def test_files_of_others_give_the_labels_of_their_own_script_on_real_frames(name, tmp_path):
    if name.endswith('.xml'):
        pytest.importorskip('openvino')
    for file in FOREIGN.glob(f'{Path(name).stem}.*'):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / name).with_suffix('.yaml').write_text(SPECIFICATIONS[name])
    precision = 'float32' if name.endswith('.xml') else 'auto'
    processor = build_processor(config(tmp_path / name, **{'runtime.precision': precision}))
    assert float(dict(prepare(processor))['self_test_agreement']) > 0.99
    sizes = {'twinlitenetplus_small.onnx': (384, 640), 'twinlitenet_int8_qdq.onnx': (320, 320)}
    agreement = []
    for file in sorted(CAMVID.iterdir())[::5][:20]:
        image = cv2.imread(str(file))
        if name in sizes:
            expected = own_twinlite(FOREIGN / name, image, sizes[name])
        else:
            expected = own_adas(FOREIGN / name, image)
        found = processor(Frame(image, 'bgr8', 0, 'camera')).labels
        agreement.append(np.mean(found == expected))
    assert len(agreement) == 20
    assert min(agreement) >= 0.999, agreement
