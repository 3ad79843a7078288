"""paperlib.experiments.gemini_toy and gemini_toy_run: the toy experiments of GEMINI, small."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from paperlib.data import gaussians_and_student, scattered_moons
from paperlib.experiments import gemini_toy, gemini_toy_run, read_rows
from paperlib.experiments.gemini_toy import (
    LOG_FLOOR,
    EnsembleGemini,
    GeminiToyConfig,
    blobs_cells,
    free_logits,
    judge,
    moons_cells,
    table_cells,
    three_blobs,
    train,
)
from paperlib.kernels import graph_hops
from paperlib.losses import gemini

CONFIG = GeminiToyConfig(objectives=("mmd_ova", "kl_ova"), n_clusters=(4,), n_samples=200, n_epochs=2, n_seeds=3)
SETTINGS = {"hidden": (20, 20), "learning_rate": 1e-3, "n_epochs": 3}


@pytest.fixture(scope="module")
def mixture():
    return gaussians_and_student(300, df=1)


def by_hand(data, objective, k, seed, *, hidden, learning_rate, n_epochs):
    """One network as the authors train it, with the samples in the order that the experiment gives them."""
    torch.manual_seed(seed)
    widths = [2, *hidden, k]
    layers = [torch.nn.Linear(*pair) for pair in pairwise(widths)]
    network = torch.nn.Sequential(layers[0], torch.nn.Tanh(), *layers[1:])
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    mine = torch.randperm(len(data.x), generator=torch.Generator().manual_seed(gemini_toy._ORDER + seed))
    orders = torch.Generator().manual_seed(0)
    for _ in range(n_epochs):
        for batch in torch.randperm(len(data.x), generator=orders).split(100):
            x = data.x.float()[mine[batch]]
            log_probs = network(x).softmax(1).clamp(1e-12, 1 - 1e-12).log()
            loss = -gemini(log_probs, objective, features=x if "mmd" in objective else None)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network(data.x.float()).detach()


@pytest.mark.parametrize("objective", ["kl_ovo", "mmd_ovo"])
def test_each_member_trains_as_the_authors_train_one_network(mixture, objective):
    networks, target = train(mixture, objective, 4, (0, 7), **SETTINGS)
    found = networks(target.x.unsqueeze(1)).detach()
    for member, seed in enumerate((0, 7)):
        torch.testing.assert_close(found[member], by_hand(mixture, objective, 4, seed, **SETTINGS), atol=1e-4, rtol=0)


def test_what_a_seed_gives_does_not_depend_on_the_others(mixture):
    (together, target), (alone, _) = (train(mixture, "tv_ova", 4, seeds, **SETTINGS) for seeds in ((5, 6), (6,)))
    x = target.x.unsqueeze(1)
    torch.testing.assert_close(together(x)[1], alone(x)[0], atol=1e-4, rtol=0)


def test_seeds_differ_in_their_weights_and_in_their_order(mixture):
    networks, target = train(mixture, "tv_ova", 4, (5, 6), **SETTINGS | {"n_epochs": 1})
    assert not torch.equal(networks.weights[0][0], networks.weights[0][1])
    assert not torch.equal(target.orders[0], target.orders[1])
    assert all(torch.equal(order.sort()[0], torch.arange(300)) for order in target.orders)


def test_wasserstein_trains_in_double_precision_and_the_others_in_single(mixture):
    pytest.importorskip("ot")
    small = replace(mixture, x=mixture.x[::3], y=mixture.y[::3])
    for objective, dtype in (("wasserstein_ova", torch.float64), ("hellinger_ova", torch.float32)):
        networks, target = train(small, objective, 4, (0,), **SETTINGS)
        assert networks.weights[0].dtype == target.x.dtype == dtype


@pytest.mark.parametrize("objective", ["tv_ovo", "mmd_ova", "wasserstein_ova"])
def test_the_ensemble_minimises_the_sum_of_its_members_objectives(mixture, objective):
    if objective.startswith("wasserstein"):
        pytest.importorskip("ot")
    orders = torch.stack([torch.randperm(300), torch.arange(300)])
    logits, index = torch.randn(2, 40, 4, dtype=torch.float64), torch.randperm(300)[:40]
    expected = 0.0
    for order, its in zip(orders, logits, strict=True):
        seen = objective.startswith(("mmd", "wasserstein"))
        expected -= float(gemini(its, objective, features=mixture.x[order[index]] if seen else None))
    assert float(EnsembleGemini(objective, mixture.x, orders)(logits, index)) == pytest.approx(expected)


@pytest.mark.parametrize("entropic", [None, 2.0])
def test_a_given_distance_is_indexed_by_the_samples_of_each_member(entropic):
    if entropic is None:
        pytest.importorskip("ot")
    data = scattered_moons(60)
    hops, orders = graph_hops(data.x, quantile=0.2), torch.stack([torch.randperm(60), torch.arange(60)])
    logits, index = torch.randn(2, 20, 3, dtype=torch.float64), torch.randperm(60)[:20]
    expected = sum(
        float(gemini(its, "wasserstein_ovo", affinity=hops[order[index]][:, order[index]], entropic=entropic))
        for order, its in zip(orders, logits, strict=True)
    )
    target = EnsembleGemini("wasserstein_ovo", data.x, orders, hops, entropic)
    assert float(target(logits, index)) == pytest.approx(-expected)


def test_probabilities_are_clamped_as_the_authors_clamp_them():
    logits = torch.tensor([[0.0, 50.0], [60.0, 0.0], [1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    clamped = logits.detach().softmax(1).clamp(1e-12, 1 - 1e-12)
    marginal = clamped.mean(0)
    expected = ((clamped - marginal) * (clamped / marginal).log()).sum() / 3
    target = EnsembleGemini("kl_ovo", torch.zeros(3, 2), torch.arange(3)[None])
    value = target.values(logits, torch.arange(3))
    assert float(value.detach()) == pytest.approx(float(expected), rel=1e-9)
    value.backward()
    assert logits.grad[:2].abs().max() < 1e-9 < logits.grad[2].abs().max()
    assert math.exp(LOG_FLOOR) == pytest.approx(1e-12)


def test_members_are_judged_on_all_samples_and_by_the_mean_over_batches(mixture):
    networks, target = train(mixture, "mmd_ova", 4, (0, 1), **SETTINGS)
    measured = judge(networks, target, mixture.y)
    for member, scores in enumerate(measured):
        logits = networks(target.x.unsqueeze(1)).detach()[member]
        labels = logits.argmax(1)
        assert scores["ari"] == pytest.approx(adjusted_rand_score(mixture.y, labels))
        assert scores["clusters_used"] == len(labels.unique())
        batches = target.orders[member].split(100)
        values = [float(gemini(logits[batch], "mmd_ova", features=target.x[batch])) for batch in batches]
        assert scores["objective"] == pytest.approx(np.mean(values), rel=1e-5)


def test_the_table_has_a_cell_for_each_objective_number_degree_and_seed_and_wasserstein_is_last():
    config = replace(CONFIG, objectives=("wasserstein_ova", "mmd_ova"), n_clusters=(4, 8), dfs=(1, 2))
    cells = list(table_cells(config))
    assert len({cell.key for cell in cells}) == len(cells) == 2 * 2 * 2 * 3
    assert cells[0].key == (gemini_toy.TABLE, "gaussians_and_student, df 1", "mmd_ova, K=4", "smoke", 0)
    assert [cell.method for cell in cells[::6]] == [
        "mmd_ova, K=4",
        "mmd_ova, K=8",
        "wasserstein_ova, K=4",
        "wasserstein_ova, K=8",
    ]


def test_seeds_that_train_together_are_trained_once_and_measured_each(monkeypatch):
    trained = []

    def spy(*arguments, **settings):
        trained.append(tuple(arguments[3]))
        return train(*arguments, **settings)

    monkeypatch.setattr(gemini_toy, "train", spy)
    cells = list(table_cells(replace(CONFIG, objectives=("mmd_ova",), n_together=2)))
    assert trained == []
    rows = [row for cell in cells for row in cell.run()]
    assert trained == [(0, 1), (2,)]
    assert [row.seed for row in rows if row.metric == "objective"] == [0, 1, 2]
    assert len({row.value for row in rows if row.metric == "objective"}) == 3
    assert {row.paper for row in rows} == {"ohl2022"}


def test_free_logits_are_scattered_by_mutual_information_and_drawn_to_the_blobs_by_mmd():
    x, y = three_blobs()
    scattered, drawn = (free_logits(x, objective, 3, seed=0) for objective in ("kl_ova", "mmd_ova"))
    assert float(gemini(scattered, "kl_ova")) > 0.95 * math.log(3)  # the blobs themselves could have no more
    assert adjusted_rand_score(y, scattered.argmax(1)) < 0.1
    assert adjusted_rand_score(y, drawn.argmax(1)) == 1
    measured = {cell.method: cell.run()[0].value for cell in blobs_cells(replace(CONFIG, n_seeds=1))}
    assert measured["mmd_ova, K=3"] == 1
    assert measured["kl_ova, K=3"] < 0.1


def test_moons_are_judged_by_hops_where_the_objective_sees_distances(monkeypatch):
    seen = {}
    monkeypatch.setattr(gemini_toy, "train", lambda data, name, *_, affinity, **__: seen.update({name: affinity}) or 1)
    monkeypatch.setattr(gemini_toy, "judge", lambda *_: [{"ari": 1.0}])
    monkeypatch.setattr(gemini_toy, "_measure", lambda fit, seeds, truth: fit(seeds) and [({"ari": 1.0}, {})])
    cells = list(moons_cells(replace(CONFIG, n_seeds=1, moons_clusters=(5,))))
    for cell in cells:
        cell.measure()
    assert [cell.method for cell in cells] == ["kl_ova, K=5", "wasserstein_ovo, K=5"]
    assert seen["kl_ova"] is None
    torch.testing.assert_close(seen["wasserstein_ovo"], graph_hops(scattered_moons().x))


def test_a_run_that_was_stopped_trains_only_what_is_missing(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    arguments = ["--out", str(path), "--size", "smoke", "--parts", "table", "--n-clusters", "4", "--objectives"]
    monkeypatch.setattr(gemini_toy_run, "GeminiToyConfig", lambda: CONFIG)
    gemini_toy_run.main([*arguments, "mmd_ova", "--n-seeds", "2"])
    first = path.read_bytes()
    assert {(row.method, row.seed) for row in read_rows(path)} == {("mmd_ova, K=4", 0), ("mmd_ova, K=4", 1)}
    monkeypatch.setattr(gemini_toy, "train", lambda *_, **__: pytest.fail("trained again"))
    gemini_toy_run.main([*arguments, "mmd_ova", "--n-seeds", "2"])
    assert path.read_bytes() == first
