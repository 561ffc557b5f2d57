# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Weights of networks: finding, checking, loading and saving them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.core.files import write_file
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.models.base import SegmentationModel
from mfaranet_ros.models.registry import get_model_entry
from mfaranet_ros.models.scales import ALL_SCALES
from mfaranet_ros.models.weights_file import SEAL, Weights, listed, read_weights, same_kind

SHIPPED_FOLDER = Path(__file__).resolve().parent.parent / 'weights'
"""The folder of the weights shipped with the package; its README explains their names."""


def find_weights(model_name: str, given: str = '') -> Path:
    """Return the path of a weights file: the given one, or the one shipped for the model.

    given: a path, or the bare name of a shipped file; empty: the one shipped for the model.
    Raises UnknownNameError for the model, WeightsError if none or several are shipped for it.
    """
    get_model_entry(model_name)
    if given:
        path = Path(given).expanduser()
        shipped = SHIPPED_FOLDER / path.name
        return shipped if path.name == given and not path.exists() and shipped.exists() else path
    found = sorted(SHIPPED_FOLDER.glob(f'{model_name}_*.safetensors'))
    if len(found) == 1:
        return found[0]
    if not found:
        raise WeightsError(
            f'no weights are shipped for {model_name}: give a weights file '
            '(.safetensors or a published .pth)'
        )
    raise WeightsError(
        f'several weights are shipped for {model_name}: give one of '
        f'{", ".join(path.name for path in found)}'
    )


def load_weights(model: SegmentationModel, weights: str | Path | Weights) -> Weights:
    """Load weights into a network; return what was read from the file.

    model: made by `create_model`. weights: a path, or what `read_weights` returned.
    Weights of the whole published network fit any choice of scales, with or without training
    heads; training heads that are missing from the file keep their random initialisation, and
    the counters `num_batches_tracked`, which only training uses, may be missing.
    Raises WeightsError, and leaves the network unchanged, if anything else is missing,
    unexpected or of another shape.
    """
    if not isinstance(weights, Weights):
        weights = read_weights(weights)
    _check_facts(model, weights)
    names = model.translate(weights.state)
    state = {names[name]: tensor for name, tensor in weights.state.items()}
    if len(state) < len(weights.state):
        raise WeightsError(f'{weights.path} holds some parameters twice, under two names')
    _check_fit(model, weights, state)
    wanted = {name: state[name] for name in model.state_dict() if name in state}
    _check_finite(weights, wanted)
    model.load_state_dict(wanted, strict=False)  # what is checked above is stricter
    return weights


def save_weights(
    model: SegmentationModel,
    path: str | Path,
    *,
    label_set: LabelSet,
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Save a network as a float16 safetensors file that describes itself; return the path.

    Its metadata hold the model, label set, scales and normalisation, and the sha256 of the
    tensors, which is checked on reading.
    facts: additional metadata, such as `training`.
    The file is replaced as a whole or not at all. A tensor that float16 cannot represent is saved
    as float32.
    Raises ConfigError if label set or facts do not fit, WeightsError if the network holds values
    that are not finite, OutputError if the file cannot be written.
    """
    path = Path(path).expanduser()
    metadata = _metadata(model, label_set, facts or {})
    broken = _not_finite(model.state_dict())
    if broken:
        raise WeightsError(
            f'{path} is not saved: {listed(broken)} hold values that are not finite'
        )
    state = {name: _compact(tensor) for name, tensor in model.state_dict().items()}
    write_file(path, _sealed(safetensors.torch.save(state, metadata)))
    return path


def published_state(model: SegmentationModel) -> dict[str, Tensor]:
    """Return the state_dict of the whole published network, on the meta device.

    It has all scales and all training heads: a weights file may hold any of these names, whether
    or not this network has them.
    """
    with torch.device('meta'):
        whole = get_model_entry(model.name).build(model.classes, ALL_SCALES, True)
    return whole.state_dict()


def _check_facts(model: SegmentationModel, weights: Weights) -> None:
    if weights.model is not None and model.name and weights.model != model.name:
        raise WeightsError(
            f'{weights.path} holds weights of {weights.model}, but the network is {model.name}: '
            f'choose {weights.model} or give other weights'
        )
    if weights.classes is not None and weights.classes != model.classes:
        raise _other_classes(model, weights, weights.classes)


def _other_classes(model: SegmentationModel, weights: Weights, classes: int) -> WeightsError:
    return WeightsError(
        f'{weights.path} holds weights of {classes} classes, but the network has '
        f'{model.classes}: choose the label set the weights were trained on, or other weights'
    )


def _check_fit(model: SegmentationModel, weights: Weights, state: Mapping[str, Tensor]) -> None:
    ours, published = model.state_dict(), published_state(model)
    optional = [head for head in model.TRAINING_HEADS if not _has(state, head)]
    missing = [
        name
        for name in ours
        if name not in state
        and name.split('.')[0] not in optional
        and not name.endswith('.num_batches_tracked')
    ]
    unexpected = [name for name in state if name not in published]
    other = [n for n in state if n in published and not same_kind(state[n], published[n])]
    if not missing and not unexpected and not other:
        return
    if not missing and not unexpected:
        _check_classes(model, weights, [(state[name], published[name]) for name in other])
    shapes = [f'{n}: {_shape(state[n])} instead of {_shape(published[n])}' for n in other]
    parts = [
        f'{len(found)} {word} ({listed(found)})'
        for found, word in (
            (missing, 'missing'),
            (unexpected, 'unexpected'),
            (shapes, 'of another shape or type'),
        )
        if found
    ]
    scales = ', '.join(map(str, model.scales))
    raise WeightsError(
        f'{weights.path} does not fit {model.name or type(model).__name__} with {model.classes} '
        f'classes and scales {scales}: {", ".join(parts)}; {_advice(model, weights)}'
    )


def _has(state: Iterable[str], module: str) -> bool:
    return any(name.split('.')[0] == module for name in state)


def _advice(model: SegmentationModel, weights: Weights) -> str:
    if weights.scales is not None and not set(model.scales) <= set(weights.scales):
        return f'it was saved with scales {", ".join(map(str, weights.scales))} only: keep those'
    return 'give weights of this network'


def _check_classes(
    model: SegmentationModel, weights: Weights, pairs: Iterable[tuple[Tensor, Tensor]]
) -> None:
    """Raise a plainer error if all that differs is the number of classes, in the first axis."""
    given = set()
    for theirs, ours in pairs:
        if theirs.shape[1:] != ours.shape[1:] or ours.shape[:1] != (model.classes,):
            return
        given.add(theirs.shape[0] if theirs.ndim else 0)
    if len(given) == 1:
        raise _other_classes(model, weights, given.pop())


def _shape(tensor: Tensor) -> str:
    return f'{list(tensor.shape)} {str(tensor.dtype).removeprefix("torch.")}'


def _check_finite(weights: Weights, state: Mapping[str, Tensor]) -> None:
    broken = _not_finite(state)
    if broken:
        raise WeightsError(
            f'{weights.path} holds values that are not finite in {len(broken)} of its tensors '
            f'({listed(broken)}): the training failed or the file is damaged, give other weights'
        )


def _not_finite(state: Mapping[str, Tensor]) -> list[str]:
    return [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]


def _metadata(
    model: SegmentationModel, label_set: LabelSet, facts: Mapping[str, str]
) -> dict[str, str]:
    if len(label_set) != model.classes:
        raise ConfigError(
            f'the network has {model.classes} classes, but label set {label_set.name} has '
            f'{len(label_set)}: give the label set it was trained on'
        )
    entry = get_model_entry(model.name)
    metadata = {
        'model': model.name,
        'classes': str(model.classes),
        'scales': ','.join(map(str, model.scales)),
        'label_set': label_set.name,
        'mean': ','.join(map(str, entry.mean)),
        'std': ','.join(map(str, entry.std)),
    }
    taken = {*metadata, SEAL}
    if taken & facts.keys() or not all(isinstance(value, str) for value in facts.values()):
        raise ConfigError(f'facts {dict(facts)}: values must be text, keys not {sorted(taken)}')
    return metadata | dict(facts)


def _compact(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        return tensor.clone(memory_format=torch.contiguous_format)
    half = tensor.to(torch.float16, memory_format=torch.contiguous_format, copy=True)
    fits = bool(torch.isfinite(half).all())
    return half if fits else tensor.to(torch.float32, memory_format=torch.contiguous_format)


def _sealed(data: bytes) -> bytes:
    """Return a safetensors file with the hash of its tensors in its metadata, and all sorted.

    Equal weights then give equal files: the library writes the metadata in an order that changes
    from run to run.
    """
    start = 8 + int.from_bytes(data[:8], 'little')
    fields = json.loads(data[8:start])
    fields['__metadata__'][SEAL] = hashlib.sha256(data[start:]).hexdigest()
    header = json.dumps(fields, sort_keys=True, separators=(',', ':')).encode()
    header += b' ' * (-len(header) % 8)
    return len(header).to_bytes(8, 'little') + header + data[start:]
