# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""ONNX files: those exported with a specification beside them, and those of the cache.

`drive.onnx` has its specification in `drive.onnx.json`: a graph alone does not say how images
are normalised, what its classes are called, or which weights it was made of. The two belong
together by the hash of the ONNX file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mfaranet_ros.backends.cache import CACHE_ADVICE, cache_folder, model_key
from mfaranet_ros.backends.onnx_graph import INPUT, import_onnx, make_graph
from mfaranet_ros.backends.onnx_session import open_session
from mfaranet_ros.core.errors import WeightsError
from mfaranet_ros.core.files import write_files

Triple = tuple[float, float, float]

_REMEDY = 'export it again with `mfaranet export`'


@dataclass(frozen=True)
class Sidecar:
    """The specification of one exported file.

    label_set: name; classes: how many it has. mean, std: of R, G, B in 0..1, which the input is
    normalised by. size: height and width of its only input size in px; None for any size.
    precision: float32 or float16, of input and logits. outputs: logits (coarse) or labels.
    onnx_sha256, weights_sha256: of the files, hexadecimal. weights: their file's name.
    versions: of what made it, by name.
    """

    model: str
    classes: int
    label_set: str
    scales: tuple[int, ...]
    mean: Triple
    std: Triple
    size: tuple[int, int] | None
    precision: str
    outputs: str
    opset: int
    onnx_sha256: str
    weights: str
    weights_sha256: str
    versions: dict[str, str]

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(dataclasses.asdict(self), indent=2) + '\n'


def sidecar_path(path: Path) -> Path:
    """Return where the sidecar of an ONNX file is."""
    return path.with_name(f'{path.name}.json')


def read_sidecar(path: Path) -> Sidecar:
    """Read the sidecar of an ONNX file and hold the file to it.

    Raises WeightsError, in one line, where either is missing or broken, or they do not belong
    together.
    """
    data = _read(path, 'ONNX file', 'give one that `mfaranet export` has written')
    beside = sidecar_path(path)
    text = _read(beside, f'sidecar of {path}', f'copy it along with the ONNX file, or {_REMEDY}')
    try:
        sidecar = _parse(json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(
            f'{beside} is no sidecar of an ONNX file: {error}; {_REMEDY}'
        ) from error
    if hashlib.sha256(data).hexdigest() != sidecar.onnx_sha256:
        raise WeightsError(
            f'{beside} is the sidecar of another ONNX file than {path}, or that file is damaged '
            f'(their sha256 differ): copy both again, or {_REMEDY}'
        )
    return sidecar


def _read(path: Path, what: str, remedy: str) -> bytes:
    if not path.is_file():
        raise WeightsError(f'{what}: {path} does not exist; {remedy}')
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f'{what}: {path} cannot be read: {error.strerror}') from error


def _parse(values: Any) -> Sidecar:
    """Return the sidecar of what a JSON file holds; raises ValueError for anything odd in it."""
    if not isinstance(values, dict):
        raise ValueError(f'it holds {type(values).__name__}')  # noqa: TRY004
    names = {field.name for field in dataclasses.fields(Sidecar)}
    missing = sorted(names - values.keys())
    if missing:
        raise ValueError(f'{", ".join(missing)} missing')
    size = values['size']
    return Sidecar(
        **{name: _plain(name, values[name]) for name in _PLAIN},
        scales=_numbers('scales', values['scales'], int),
        mean=_numbers('mean', values['mean'], float, 3),
        std=_numbers('std', values['std'], float, 3),
        size=None if size is None else _numbers('size', size, int, 2),
        versions={str(name): str(value) for name, value in dict(values['versions']).items()},
    )


_PLAIN: dict[str, type[Any]] = {
    'model': str,
    'classes': int,
    'label_set': str,
    'precision': str,
    'outputs': str,
    'opset': int,
    'onnx_sha256': str,
    'weights': str,
    'weights_sha256': str,
}


def _plain(name: str, value: Any) -> Any:
    if type(value) is not _PLAIN[name]:
        raise ValueError(f'{name} = {value!r}')
    return value


def _numbers(name: str, value: Any, kind: Callable[[Any], Any], length: int = 0) -> Any:
    if not isinstance(value, list) or not value or (length and len(value) != length):
        raise ValueError(f'{name} = {value!r}')
    return tuple(kind(item) for item in value)


_log = logging.getLogger(__name__)


class OnnxNetwork(nn.Module):
    """A file that was exported with its logits, which only the backend `onnx` runs.

    It has no parameters. Its own `coarse_logits` are what the self-test compares with: the same
    file on the CPU, where it was compared with the network before it was written.
    """

    def __init__(self, path: Path, sidecar: Sidecar) -> None:
        super().__init__()
        self.path = path
        self.sidecar = sidecar
        self.name = sidecar.model
        self.classes = sidecar.classes
        self.scales = sidecar.scales

    def coarse_logits(self, x: Tensor) -> Tensor:
        """Return float32 logits (1, C, ceil(H / 4), ceil(W / 4)) on the device of the input."""
        session = open_session(self.path, torch.device('cpu')).inference
        image = x.detach().cpu().to(getattr(torch, self.sidecar.precision)).contiguous()
        (logits,) = session.run(None, {INPUT: image.numpy()})
        return torch.from_numpy(logits).to(x.device, torch.float32)


def cached_graph(model: nn.Module, precision: str) -> Path:
    """Return an ONNX file of a model's logits for inputs of any size, made if there is none yet.

    Raises ConfigError where it cannot be made, OutputError where the cache cannot be written.
    """
    key = model_key(model, precision, import_onnx().__version__)
    path = cache_folder('onnx') / f'{key[:32]}.onnx'
    seal = path.with_suffix('.sha256')
    if path.exists():
        if _sealed(path, seal):
            return path
        _log.warning('%s is damaged or incomplete and is made again', path)
    data = make_graph(model, precision=precision, outputs='logits', size=None)
    write_files({path: data, seal: hashlib.sha256(data).hexdigest().encode()}, advice=CACHE_ADVICE)
    return path


def _sealed(path: Path, seal: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest().encode() == seal.read_bytes()
    except OSError:
        return False
