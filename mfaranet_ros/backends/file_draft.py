# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What can be concluded from a network file alone, as a draft of its specification.

Shapes, types and the operators that make the outputs say much; the order of the colours, the
values, the way to the size and the meaning of the classes no graph says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mfaranet_ros.backends.file_facts import FileFacts, TensorFacts
from mfaranet_ros.backends.file_fit import has_stride, image_input, sides
from mfaranet_ros.core.errors import UnknownNameError, WeightsError
from mfaranet_ros.core.labels import (
    MAX_CLASSES,
    LabelClass,
    LabelSet,
    Role,
    get_label_set,
    list_label_sets,
)
from mfaranet_ros.core.specification import KEEP, Head, InputForm, Size, Specification
from mfaranet_ros.core.specification_file import class_color, read_specification

PRESETS = Path(__file__).with_name('presets')


@dataclass(frozen=True)
class Draft:
    """A specification to begin with. concluded: what the file says, told: what it cannot say."""

    specification: Specification
    concluded: tuple[str, ...]
    told: tuple[str, ...]


def list_presets() -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob('*.yaml'))


def read_preset(name: str) -> Specification:
    """Return the specification of a common export; raises UnknownNameError."""
    if name not in list_presets():
        raise UnknownNameError('preset', name, list_presets())
    return read_specification(PRESETS / f'{name}.yaml')


def draft(facts: FileFacts, name: str) -> Draft:
    """Return a draft of the specification of a file.

    name: of the network. Raises WeightsError for a file that takes no image or gives no labels.
    """
    form, said = _draft_input(image_input(facts))
    found = [(output, _layout(output, form.size)) for output in facts.outputs]
    found = [(output, layout) for output, layout in found if layout]
    heads = [_draft_head(output, layout) for output, layout in found]
    if not heads:
        listed = ', '.join(map(str, facts.outputs))
        raise WeightsError(f'outputs: none of {listed} has a value or a class for each pixel')
    counts = [_ids(output, layout) for output, layout in found]
    label_set, outputs = _combine(heads, counts, name)
    said += [f'output {head.name}: {head.kind}, {head.layout}' for head in outputs]
    told = ['labels: the classes, their order and their roles']
    if (
        form.size is None
        and facts.inputs[0].shape
        and any(sides(form.layout, facts.inputs[0].shape))
    ):
        told.append('input.size: both sides, of which the file fixes one only')
    used = {head.name for head in outputs}
    left = [output.name for output in facts.outputs if output.name not in used]
    if left:
        told.append(f'outputs: {outputs[0].name} is used, {", ".join(left)} left out')
    if form.type != 'uint8':
        told.append('input.range, input.mean and input.std: the values the network was trained on')
    told += [
        'input.channels: rgb or bgr',
        'input.resize and input.interpolation: how an image is brought to the size',
    ]
    return Draft(Specification(name, label_set, form, tuple(outputs)), tuple(said), tuple(told))


def _draft_input(given: TensorFacts) -> tuple[InputForm, list[str]]:
    shape = given.shape or (1, 3, None, None)
    if len(shape) != 4:
        raise WeightsError(f'input: {given} is no batch of images with four axes')
    planes = {'NCHW': shape[1], 'NHWC': shape[3]}
    layout = next((name for name, count in planes.items() if count in (1, 3)), '')
    if not layout:
        raise WeightsError(f'input: {given} has no axis of 3 colours, or of 1 for gray')
    if shape[0] not in (None, 1):
        raise WeightsError(f'input: {given}, but it must take one image: export a batch of 1')
    gray = planes[layout] == 1
    height, width = shape[2:] if layout == 'NCHW' else shape[1:3]
    if given.type not in ('float32', 'float16', 'uint8'):
        raise WeightsError(f'input: {given}, but it must be float32, float16 or uint8')
    size = None if height is None or width is None else (height, width)
    form = InputForm(
        name=given.name,
        layout=layout,
        type=given.type,
        channels='gray' if gray else 'rgb',
        range=(0.0, 255.0 if given.type == 'uint8' else 1.0),
        mean=(0.0,) * (1 if gray else 3),
        std=(1.0,) * (1 if gray else 3),
        size=size,
        dynamic=size is None,
    )
    where = f'{size[0]}x{size[1]}' if size else 'any size'
    return form, [f'input {given.name}: {layout}, {given.type}, {where}']


def _layout(output: TensorFacts, size: Size | None) -> str:
    """Return how an output is laid out; empty where it has no value for each pixel.

    size: of the input, None where it is open.
    """
    shape = output.shape
    if not shape:  # open: what most exporters write
        return 'NCHW'
    layouts = _LAYOUTS.get(len(shape), ())
    otherwise = layouts[:1] if size is None or None in shape else ()
    fitting = [layout for layout in layouts if _fits(layout, shape, size)]
    return next(iter((*fitting, *otherwise)), '')


_LAYOUTS = {4: ('NCHW', 'NHWC'), 3: ('NHW', 'CHW', 'HWC'), 2: ('HW',)}
"""Layouts by the number of axes, the most frequent first."""


def _fits(layout: str, shape: tuple[int | None, ...], size: Size | None) -> bool:
    """Return whether an output of this shape can be laid out so, for an input of this size."""
    axes = dict(zip(layout, shape, strict=True))
    if axes.get('N', 1) not in (None, 1):
        return False
    height, width = axes['H'], axes['W']
    if size is None or height is None or width is None:
        return height is None and width is None
    return has_stride((height, width), size)


def _ids(output: TensorFacts, layout: str) -> int:
    """Return how many ids an output tells apart, 0 where that is open."""
    if output.ids or _gives_labels(output):
        return output.ids or 0
    if not output.shape:
        return 0
    channels = output.shape[layout.index('C')] if 'C' in layout else 1
    return 2 if channels == 1 else channels or 0


def _gives_labels(output: TensorFacts) -> bool:
    return output.made_by in ('ArgMax', 'TopK') or not output.type.startswith('float')


def _draft_head(output: TensorFacts, layout: str) -> Head:
    if _gives_labels(output):
        return Head(output.name, 'labels', layout)
    kind = 'probabilities' if output.made_by in ('Softmax', 'SoftMax', 'Sigmoid') else 'logits'
    return Head(output.name, kind, layout)


def _combine(heads: list[Head], counts: list[int], name: str) -> tuple[LabelSet, list[Head]]:
    """Return classes for the first output, or for several that say yes or no each."""
    if len(heads) > 1 and set(counts) == {2} and all(head.kind != 'labels' for head in heads):
        names = ['background', *(head.name for head in heads)]
        outputs = [
            Head(head.name, head.kind, head.layout, classes=(KEEP if number else 0, number + 1))
            for number, head in enumerate(heads)
        ]
        return _classes(names, name), outputs
    count = counts[0]
    if count > MAX_CLASSES:
        raise WeightsError(
            f'outputs: {heads[0].name} has {count} classes, but a mask holds {MAX_CLASSES}: write '
            'a specification whose outputs.classes puts several ids into one class'
        )
    known = [each for each in map(get_label_set, list_label_sets()) if len(each) == count]
    if known:
        return known[0], heads[:1]
    if not count:
        return get_label_set('cityscapes'), heads[:1]
    return _classes([f'class {number}' for number in range(count)], name), heads[:1]


def _classes(names: list[str], name: str) -> LabelSet:
    return LabelSet(
        name,
        tuple(
            LabelClass(number, each, class_color(number), Role.OBSTACLE)
            for number, each in enumerate(names)
        ),
    )
