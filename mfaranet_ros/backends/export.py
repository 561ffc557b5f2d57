# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network as an ONNX file with its specification beside it, compared before it is written.

What is compared is the file itself, run by ONNX Runtime on the CPU, with the network as published
in plain float32, on the stored frame of the self-test. What does not give the same answer is never
seen under the name that was asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import nn

from mfaranet_ros.backends.agreement import MAX_CLEARLY_WRONG, MIN_AGREEMENT
from mfaranet_ros.backends.network import Network
from mfaranet_ros.backends.onnx_graph import INPUT, OPSET, import_onnx, make_graph
from mfaranet_ros.backends.onnx_session import import_onnxruntime, open_session
from mfaranet_ros.backends.rewrite import rewrite
from mfaranet_ros.backends.selftest import compare_labels, plain_input
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.errors import ConfigError, OutputError
from mfaranet_ros.core.files import write_files
from mfaranet_ros.core.specification import ExportFacts, Head, InputForm, Specification
from mfaranet_ros.core.specification_file import dump_specification, specification_path
from mfaranet_ros.models import SegmentationModel

Size = tuple[int, int]
"""Height and width in px."""

TOLERANCE = {'float32': 1e-4, 'float16': 2e-2}
"""How far a logit may be off, as a share of the largest."""

COMPARED_SIZES = ((360, 480), (97, 131))
"""At which sizes a graph for any size is compared: that of the stored frame, and an odd one."""

_CPU = torch.device('cpu')


@dataclass(frozen=True)
class Comparison:
    """How a file compares with plain float32, the worst of all sizes.

    agreement: share of the pixels with the same label; clearly_wrong: share of those whose label
    is not even nearly the best. difference: of the logits, as a share of the largest; None for a
    file that gives labels.
    """

    agreement: float
    clearly_wrong: float
    difference: float | None


def export_network(
    network: Network,
    out: Path,
    *,
    precision: str = 'float32',
    outputs: str = 'logits',
    size: Size | None = None,
    versions: Mapping[str, str] | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> tuple[Specification, ExportFacts, Comparison]:
    """Write a network as one ONNX file and its specification; return those and the comparison.

    out: its name ends in .onnx. precision: float32 or float16. outputs: logits, which the node
    computes on, or labels. size: of its only input; None for any. versions: to name in the
    specification besides those of torch, onnx and onnxruntime. on_step: called with the name of
    each step.

    Raises ConfigError where the network cannot be exported or the graph answers otherwise than the
    network, and OutputError where the files cannot be written; an earlier file then stays as it
    was, and no new one is left.
    """
    model, weights = network.model, network.weights
    if not isinstance(model, SegmentationModel) or weights is None:
        where = f'{weights.path} is' if weights else 'this is'
        raise ConfigError(f'{where} no network that can be exported: give .safetensors or .pth')
    out = _checked(out)
    onnx, runtime = import_onnx(), import_onnxruntime()
    on_step('tracing')
    data = make_graph(model, precision=precision, outputs=outputs, size=size)
    on_step('comparing')
    compared = compare(data, network, precision=precision, outputs=outputs, size=size)
    on_step('writing')
    facts = ExportFacts(
        model=model.name,
        scales=model.scales,
        precision=precision,
        outputs=outputs,
        opset=OPSET,
        weights=weights.path.name,
        weights_sha256=weights.sha256,
        versions=tuple(
            {
                **(versions or {}),
                'torch': str(torch.__version__),
                'onnx': onnx.__version__,
                'onnxruntime': runtime.__version__,
            }.items()
        ),
    )
    specification = specify(network, facts, size, hashlib.sha256(data).hexdigest())
    _write(out, data, specification)
    return specification, facts, compared


def specify(network: Network, facts: ExportFacts, size: Size | None, sha256: str) -> Specification:
    """Return the specification of a file made of one of our networks.

    size: of its only input; None for any. sha256: of the file.
    """
    head = Head('logits', interpolation='align_corners', stride=4)
    if facts.outputs == 'labels':
        head = Head('labels', kind='labels', layout='NHW', stride=1)
    return Specification(
        name=facts.model,
        label_set=network.label_set,
        input=InputForm(
            name=INPUT,
            type='float16' if facts.precision == 'float16' else 'float32',
            mean=network.mean,
            std=network.std,
            size=size,
            dynamic=size is None,
            resize='letterbox',
            interpolation='antialias',
        ),
        outputs=(head,),
        sha256=sha256,
        export=facts,
    )


def compare(
    data: bytes, network: Network, *, precision: str, outputs: str, size: Size | None
) -> Comparison:
    """Compare an ONNX file, as bytes, with the network it was made of; all as `export_network`.

    Raises ConfigError if it is not the same network's answer.
    """
    session = open_session(data, _CPU).inference
    found = []
    for at in (size,) if size else COMPARED_SIZES:
        image = plain_input(stored_frame(), at, network.mean, network.std, _CPU)
        if precision == 'float16':
            _check_range(network.model, image)
        (given,) = session.run(None, {INPUT: image.to(getattr(torch, precision)).numpy()})
        result = _compare_one(torch.from_numpy(given), network.model, image, outputs)
        found.append(result)
        too_far = result.difference is not None and result.difference > TOLERANCE[precision]
        if result.agreement < MIN_AGREEMENT or result.clearly_wrong > MAX_CLEARLY_WRONG or too_far:
            raise ConfigError(
                f'the graph in {precision} does not give the answer of plain float32 at '
                f'{at[0]}x{at[1]}: {in_words(result)}; nothing was written, export another '
                'precision or report this'
            )
    differences = [result.difference for result in found if result.difference is not None]
    return Comparison(
        min(result.agreement for result in found),
        max(result.clearly_wrong for result in found),
        max(differences) if differences else None,
    )


@torch.inference_mode()
def _compare_one(given: torch.Tensor, model: Any, image: torch.Tensor, outputs: str) -> Comparison:
    coarse = model.coarse_logits(image)  # (1, C, h / 4, w / 4)
    size = image.shape[2:]
    full = F.interpolate(coarse, size, mode='bilinear', align_corners=True)
    expected = coarse if outputs == 'logits' else full[:, 0]
    if given.shape != expected.shape:
        raise ConfigError(
            f'the graph gives {outputs} of shape {tuple(given.shape)} instead of '
            f'{tuple(expected.shape)}; nothing was written, report this'
        )
    difference = None
    if outputs == 'logits':
        given = given.float()
        difference = float((given - coarse).abs().max() / coarse.abs().max())
        difference = float('inf') if math.isnan(difference) else difference
        given = F.interpolate(given, size, mode='bilinear', align_corners=True).argmax(dim=1)
    agreement, clearly_wrong = compare_labels(given[0].numpy().astype(np.uint8), full)
    return Comparison(agreement, clearly_wrong, difference)


@torch.inference_mode()
def _check_range(model: Any, image: torch.Tensor) -> None:
    """Refuse a network whose values leave the range of float16.

    A CPU computes a float16 graph in float32 and would not show it.
    """
    network: Any = rewrite(model, torch.device('cuda'))
    largest = [float(parameter.abs().max()) for parameter in network.parameters()]

    def look(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            largest.append(float(output.abs().max()))

    for module in network.modules():
        module.register_forward_hook(look)
    largest.append(float(network.coarse_logits(image).abs().max()))
    limit = torch.finfo(torch.float16).max
    if not max(largest) <= limit:
        raise ConfigError(
            f'this network reaches {max(largest):.0f} on the stored frame, but float16 ends at '
            f'{limit:.0f}: export it with --precision float32'
        )


def in_words(result: Comparison) -> str:
    """Return what a comparison found, in one line."""
    words = (
        f'{result.agreement:.2%} of the labels are equal, '
        f'{result.clearly_wrong:.2%} are clearly wrong'
    )
    if result.difference is None:
        return words
    return f'{words}, logits differ by {result.difference:.1e} of the largest'


GIVE_ANOTHER = 'give another FILE'

# -- writing -------------------------------------------------------------------------------------


def _checked(out: Path) -> Path:
    out = out.expanduser()
    if out.suffix != '.onnx':
        raise ConfigError(f'{out}: the name must end in .onnx')
    for path in (out, specification_path(out)):
        if path.is_dir():
            raise OutputError(f'cannot write {path}: it is a folder; {GIVE_ANOTHER}')
    return out


def _write(out: Path, data: bytes, specification: Specification) -> None:
    text = dump_specification(specification, file=out.name)
    files: dict[Path, bytes | str] = {out: data, specification_path(out): text}
    write_files(files, parents=True, advice=GIVE_ANOTHER)


# -- TensorRT ------------------------------------------------------------------------------------

_SMALLEST, _USUAL, _LARGEST = (64, 64), (512, 1024), (1024, 2048)
"""Sizes that an engine for any size is built for, unless others are asked for."""


def trtexec_lines(out: Path, size: Size | None, usual: Size | None = None) -> dict[str, str]:
    """Return the command that builds an engine of a file, by the TensorRT it is for.

    size: as exported; usual: which size an engine for any size is tuned for.
    Precision is that of the file: TensorRT 11 has no flag for it any more, and with the flags of
    10 the sampling would be computed in float16.
    """
    shapes = []
    if size is None:
        best = usual or _USUAL
        largest = max(_LARGEST[0], best[0]), max(_LARGEST[1], best[1])
        smallest = min(_SMALLEST[0], best[0]), min(_SMALLEST[1], best[1])
        for flag, (height, width) in (('min', smallest), ('opt', best), ('max', largest)):
            shapes.append(f'--{flag}Shapes={INPUT}:1x3x{height}x{width}')
    files = [f'--onnx={out}', f'--saveEngine={out.with_suffix(".engine")}']
    return {
        'TensorRT 10': shlex.join(['trtexec', *files, '--stronglyTyped', *shapes]),
        'TensorRT 11': shlex.join(['trtexec', *files, *shapes]),
    }


def figures(
    specification: Specification, compared: Comparison, lines: Mapping[str, str]
) -> dict[str, Any]:
    """Return all that is known of an export, for a report."""
    return {
        'specification': yaml.safe_load(dump_specification(specification)),
        'compared': dataclasses.asdict(compared),
        'trtexec': dict(lines),
    }
