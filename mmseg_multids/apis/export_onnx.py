"""A plain MMSegmentation model as an ONNX file."""

from __future__ import annotations

import importlib.util
import inspect
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from ..files import replacing

_NEEDED = ('onnx', 'onnxruntime', 'onnxscript')
#: Runtimes of 2023 and later read it, and it is the least that the exporter writes unconverted.
_OPSET = 18
_TOLERANCE = 1e-4


def check_onnx_is_installed() -> None:
    """Refuse early.

    Raises:
        ImportError: A package is missing, or torch is too old.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f'ONNX export needs {", ".join(missing)}: pip install '
                          '"mmseg_multids[onnx]", or from a clone -r requirements/onnx.txt')
    if 'external_data' not in inspect.signature(torch.onnx.export).parameters:
        raise ImportError(f'ONNX export needs torch 2.6 or later, this is {torch.__version__}')


class _Logits(nn.Module):
    """From a normalised image to logits of its size; what differs between images is left out."""

    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        return self.model.encode_decode(image, [{'img_shape': tuple(image.shape[2:])}])


@torch.no_grad()
def export_onnx(model: EncoderDecoder, path: str | Path, size: Sequence[int],
                description: dict | None = None) -> float:
    """Write an ONNX file and compare it with torch.

    Input ``image`` [1, 3, H, W], float32, normalised as the model's data preprocessor does; output
    ``logits`` [1, K, H, W]. The size is fixed: pyramid pooling depends on it.

    Args:
        model: A plain MMSegmentation model in eval mode, on the CPU.
        path: File to write; it appears only if it was found equal.
        size: Height and width.
        description: Stored in the file's metadata, every value as JSON.

    Returns:
        The largest difference between ONNX Runtime's logits and torch's on a random image.

    Raises:
        ImportError: A package is missing.
        ValueError: A size that is no two positive numbers, or a model that cannot be exported;
            backbone and head are named.
        RuntimeError: The file's logits are not the model's.
    """
    check_onnx_is_installed()
    import onnx
    import onnxruntime

    size = tuple(int(length) for length in size)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f'size={size}: height and width above 0 are needed')
    wrapped = _Logits(model).eval()
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = wrapped(image)  # an error here is the model's, not the exporter's
    with replacing(path) as file:
        try:
            # Not the TorchScript exporter: it has no adaptive pooling whose output does not divide
            # its input (PSPHead, UPerHead).
            torch.onnx.export(wrapped, (image,), str(file), input_names=['image'],
                              output_names=['logits'], opset_version=_OPSET, dynamo=True,
                              external_data=False, verbose=False)
            stored = onnx.load(str(file))
            onnx.helper.set_model_props(
                stored, {key: json.dumps(value) for key, value in (description or {}).items()})
            onnx.save(stored, str(file))
            session = onnxruntime.InferenceSession(str(file), providers=['CPUExecutionProvider'])
            found = torch.from_numpy(session.run(None, {'image': image.numpy()})[0])
        except Exception as error:  # torch, onnx and onnxruntime have no common class of errors
            reason = ' '.join(str(error).split())[:500]
            raise ValueError(
                f'{type(model.backbone).__name__} with {type(model.decode_head).__name__} cannot '
                f'be exported to ONNX at {size[0]} x {size[1]} with torch {torch.__version__}: '
                f'{type(error).__name__}: {reason}') from error
        _check(found, expected)
    return float((found - expected).abs().max())


def _check(found: Tensor, expected: Tensor) -> None:
    if found.shape != expected.shape:
        raise RuntimeError(f"the ONNX file's logits have shape {list(found.shape)}, the model's "
                           f'{list(expected.shape)}; no file was left')
    difference = float((found - expected).abs().max())
    if not torch.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise RuntimeError(f"the ONNX file's logits differ from the model's by up to "
                           f'{difference:.2g} (allowed: {_TOLERANCE:g}); no file was left')
