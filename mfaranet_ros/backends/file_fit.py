# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whether a specification fits its network file: first what the file says, then what it gave.

Every error is one line that begins with the specification and the field that is wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.backends.file_facts import FileFacts, TensorFacts
from mfaranet_ros.core.errors import WeightsError
from mfaranet_ros.core.labels import MAX_CLASSES
from mfaranet_ros.core.specification import (
    MAX_SIDE,
    FileOutputs,
    Head,
    InputForm,
    Size,
    Specification,
    id_count,
)

_INTEGERS = ('int64', 'int32', 'int16', 'int8', 'uint8', 'uint16', 'uint32', 'uint64', 'bool')
_FLOATS = ('float32', 'float16', 'float64', 'bfloat16')
_SUM_TOLERANCE = 0.05
"""How far probabilities may add up to something else than 1."""


def fit(specification: Specification, facts: FileFacts, where: Path) -> Specification:
    """Return the specification with what the file says filled in: names, and a fixed size.

    where: the specification file, for errors. Raises WeightsError where the two contradict.
    """
    try:
        form = _fit_input(specification.input, facts)
        heads = []
        for number, head in enumerate(specification.outputs):
            heads.append(_fit_output(head, number, facts, form, len(specification.label_set)))
    except WeightsError as error:
        raise WeightsError(f'{where}: {error}') from error
    return dataclasses.replace(specification, input=form, outputs=tuple(heads))


def image_input(facts: FileFacts, name: str = '') -> TensorFacts:
    """Return the only input of a file; raises WeightsError where there are more."""
    if len(facts.inputs) != 1:
        listed = ', '.join(map(str, facts.inputs)) or 'none'
        raise WeightsError(
            f'input: the file has {len(facts.inputs)} inputs ({listed}), but a network with one '
            'image as its only input is needed'
        )
    given = facts.inputs[0]
    if name not in ('', given.name):
        raise WeightsError(f'input.name: {name!r}, but the input of the file is {given.name!r}')
    return given


def _fit_input(form: InputForm, facts: FileFacts) -> InputForm:
    given = image_input(facts, form.name)
    form = dataclasses.replace(form, name=given.name)
    if given.type != form.type:
        raise WeightsError(f'input.type: {form.type}, but the file takes {given.type}')
    if not given.shape:
        return form
    if len(given.shape) != 4:
        raise WeightsError(
            f'input.layout: {form.layout} has four axes, but the input of the file is {given}'
        )
    batch = given.shape[0]
    if batch not in (None, 1):
        raise WeightsError(
            f'input.layout: the file takes {batch} images at a time, but one is given: export it '
            'for a batch of 1'
        )
    planes, size = _planes(form.layout, given.shape), sides(form.layout, given.shape)
    if planes not in (None, len(form.mean)):
        other = 'NHWC' if form.layout == 'NCHW' else 'NCHW'
        if _planes(other, given.shape) == len(form.mean):
            raise WeightsError(
                f'input.layout: {form.layout}, but the input of the file is {given}: give {other}'
            )
        raise WeightsError(
            f'input.channels: {form.channels} has {len(form.mean)}, but the input of the file is '
            f'{given}'
        )
    return _fit_size(form, size, given)


def _fit_size(
    form: InputForm, size: tuple[int | None, int | None], given: TensorFacts
) -> InputForm:
    height, width = size
    if height is not None and width is not None:
        if max(height, width) > MAX_SIDE:
            raise WeightsError(f'input.size: {given}, but {MAX_SIDE} px are the most')
        if form.size not in (None, (height, width)):
            raise WeightsError(
                f'input.size: {list(form.size)}, but the file takes {height}x{width} only'
            )
        if form.size is not None and form.dynamic:
            raise WeightsError(f'input.dynamic: true, but the file takes {height}x{width} only')
        return dataclasses.replace(form, size=(height, width), dynamic=False)
    for side, wanted in zip(size, form.size or (None, None), strict=True):
        if side is not None and side != wanted:
            raise WeightsError(
                f'input.size: {list(form.size) if form.size else "missing"}, but the input of the '
                f'file is {given}: give both sides'
            )
    return form


def _planes(layout: str, shape: Sequence[int | None]) -> int | None:
    return shape[layout.index('C')]


def sides(layout: str, shape: Sequence[int | None]) -> tuple[int | None, int | None]:
    """Return height and width of a shape, each None where it is open."""
    return shape[layout.index('H')], shape[layout.index('W')]


def _fit_output(head: Head, number: int, facts: FileFacts, form: InputForm, labels: int) -> Head:
    field = f'outputs[{number}]'
    names = [output.name for output in facts.outputs]
    if not head.name and len(names) > 1:
        raise WeightsError(f'{field}.name: missing, but the file has {", ".join(names)}')
    if head.name and head.name not in names:
        raise WeightsError(
            f'{field}.name: {head.name!r}, but the outputs of the file are {", ".join(names)}'
        )
    found = facts.outputs[names.index(head.name) if head.name else 0]
    head = dataclasses.replace(head, name=found.name)
    if head.kind == 'labels' and found.type not in (*_INTEGERS, *_FLOATS):
        raise WeightsError(f'{field}.kind: labels, but the output is {found}')
    if head.kind != 'labels' and found.type not in _FLOATS:
        raise WeightsError(
            f'{field}.kind: {head.kind}, but the output is {found}: give labels if its numbers '
            'are classes'
        )
    if found.shape:
        check_shape(head, field, found.shape, form.size if not form.dynamic else None, labels)
    return head


def check_shape(
    head: Head, field: str, shape: Sequence[int | None], size: Size | None, labels: int
) -> None:
    """Check the shape of an output: its axes, its channels, and its size beside the input's.

    shape: None for a length that is open. size: of the input, None where it is open.
    labels: how many classes the masks have. Raises WeightsError that begins with the field.
    """
    text = 'x'.join('?' if length is None else str(length) for length in shape)
    if len(shape) != len(head.layout):
        raise WeightsError(
            f'{field}.layout: {head.layout} has {len(head.layout)} axes, but output '
            f'{head.name!r} is {text}'
        )
    axes = dict(zip(head.layout, shape, strict=True))
    if axes.get('N', 1) not in (None, 1):
        raise WeightsError(f'{field}.layout: {head.layout}, but output {head.name!r} is {text}')
    if size is not None and None not in (axes['H'], axes['W']):
        _check_size(head, field, (axes['H'] or 0, axes['W'] or 0), size, text)
    channels = axes.get('C', 1)
    if channels is not None:
        _check_channels(head, field, channels, labels, text)


def _check_channels(head: Head, field: str, channels: int, labels: int, text: str) -> None:
    if head.kind == 'labels':
        if channels != 1:
            raise WeightsError(
                f'{field}.kind: labels, but output {head.name!r} is {text}: one channel is needed'
            )
        return
    if head.channel is not None and head.channel >= channels:
        raise WeightsError(
            f'{field}.channel: {head.channel}, but output {head.name!r} is {text}: 0 to '
            f'{channels - 1}'
        )
    ids = id_count(head, channels)
    if head.classes and len(head.classes) != ids:
        raise WeightsError(
            f'{field}.classes: {len(head.classes)} are listed, but output {head.name!r} is {text} '
            f'and needs {ids}'
        )
    if not head.classes and ids > MAX_CLASSES:
        raise WeightsError(
            f'{field}.classes: output {head.name!r} has {ids} classes, but a mask holds '
            f'{MAX_CLASSES}: list the class of each, several may share one'
        )
    if not head.classes and ids != labels:
        raise WeightsError(
            f'labels: {labels} classes, but output {head.name!r} is {text} and has {ids}: give '
            f'the label set of this network, or {field}.classes'
        )


def _check_size(head: Head, field: str, output: Size, size: Size, text: str) -> None:
    if head.stride is not None:
        if not all(_strides(have, of, head.stride) for have, of in zip(output, size, strict=True)):
            raise WeightsError(
                f'{field}.stride: {head.stride}, but output {head.name!r} is {text} for an input '
                f'of {size[0]}x{size[1]}'
            )
        return
    if has_stride(output, size):
        return
    turned = has_stride((output[1], output[0]), size)
    advice = ': are height and width swapped?' if turned else ': no stride makes one of the other'
    raise WeightsError(
        f'{field}.layout: {head.layout}, but output {head.name!r} is {text} for an input of '
        f'{size[0]}x{size[1]}{advice}'
    )


def has_stride(output: Size, size: Size) -> bool:
    """Return whether an output of this size has a stride for an input of that size."""
    return any(
        all(_strides(have, of, stride) for have, of in zip(output, size, strict=True))
        for stride in range(1, 257)
    )


def _strides(output: int, size: int, stride: int) -> bool:
    return output in (size // stride, -(-size // stride))


# -- what a run gave -----------------------------------------------------------------------------


def check_outputs(
    specification: Specification, outputs: FileOutputs, size: Size, where: str | Path
) -> None:
    """Check what one run gave: its shapes, and whether its numbers can be what they should.

    outputs: of a batch of one, for an input of this height and width. where: for errors.
    Raises WeightsError.
    """
    names, labels = specification.output_names, len(specification.label_set)
    try:
        for number, head in enumerate(specification.outputs):
            array, field = outputs.arrays[names.index(head.name)], f'outputs[{number}]'
            if not head.layout.startswith('N'):
                array = array[0]  # the batch that file_backend.py puts before it
            check_shape(head, field, array.shape, size, labels)
            _check_values(head, field, array, labels)
    except WeightsError as error:
        raise WeightsError(f'{where}: {error}') from error


def _check_values(head: Head, field: str, array: NDArray[Any], labels: int) -> None:
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise WeightsError(f'{field}: output {head.name!r} has values that are not finite')
    if head.kind == 'labels':
        whole = bool(np.all(array == np.rint(array)))
        allowed = len(head.classes) or labels
        found = array[array != 255] if array.size else array
        most = int(found.max()) if found.size else 0
        if not whole or low < 0 or most >= max(allowed, 1):
            raise WeightsError(
                f'{field}.kind: labels, but output {head.name!r} holds {low:g} to {high:g}, and '
                f'the ids are 0 to {allowed - 1}: check kind, labels and {field}.classes'
            )
        return
    inside = low >= -1e-3 and high <= 1 + 1e-3
    if head.kind == 'probabilities' and not inside:
        raise WeightsError(
            f'{field}.kind: probabilities, but output {head.name!r} holds {low:g} to {high:g}: '
            'give logits'
        )
    if 'C' in head.layout and head.channel is None and array.shape[head.layout.index('C')] > 1:
        sums = array.sum(axis=head.layout.index('C'))
        adds_up = bool(np.abs(sums - 1).max() < _SUM_TOLERANCE)
        if head.kind == 'logits' and inside and adds_up:
            raise WeightsError(
                f'{field}.kind: logits, but output {head.name!r} holds values of 0 to 1 that add '
                'up to 1: give probabilities'
            )
