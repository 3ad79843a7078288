"""The paper's size of deep self-labelling takes its first step, on synthetic images of the true shape."""

from dataclasses import replace

import pytest
import torch

from paperlib.experiments.deep_self_labeling import fit, network
from paperlib.experiments.deep_tables import vgg4
from paperlib.experiments.image_sets import synthetic_images

CONFIGS = {config.method: config for config in vgg4("paper")}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mutual_information", "collision_cross_entropy"])
def test_vgg4_takes_a_step_at_the_papers_batch_size(method):
    task = synthetic_images("cifar10", 256)
    config = replace(CONFIGS[method], n_starts=0, epochs=1, device="cpu")
    assert config.batch_size == 256
    model, run, _ = fit(config, task, 0)
    assert run.steps == 1
    first = network(config, task.train, torch.Generator().manual_seed(0))
    assert not torch.equal(model.head.weight, first.head.weight)
