"""Chains, coins and refusals of augmentations."""

from dataclasses import FrozenInstanceError, dataclass

import pytest
import torch

from paperlib.data.augmentations import (
    Augmentation,
    CenterCrop,
    Compose,
    Draws,
    Identity,
    RandomApply,
    RandomCrop,
    RandomHorizontalFlip,
)


@dataclass(frozen=True)
class Plus(Augmentation):
    number: float

    def apply(self, images, draws):
        return images + self.number


@dataclass(frozen=True)
class TimesRandom(Augmentation):
    def apply(self, images, draws):
        return images * draws.uniform()[:, None, None, None]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_identity_gives_the_images_themselves(pictures):
    images = pictures(2, 1, 3, 3)
    assert Identity()(images) is images
    assert Compose()(images) is images


def test_compose_applies_in_order_and_shares_one_stream_of_numbers(pictures):
    images = pictures(4, 2, 3, 3)
    factor = Draws(4, seeded()).uniform()[:, None, None, None]
    torch.testing.assert_close(Compose(Plus(1), TimesRandom())(images, generator=seeded()), (images + 1) * factor)
    torch.testing.assert_close(Compose(TimesRandom(), Plus(1))(images, generator=seeded()), images * factor + 1)


def test_a_chain_in_a_chain_is_the_longer_chain(pictures):
    images, flip, crop = pictures(8, 1, 6, 6), RandomHorizontalFlip(), RandomCrop(4, padding=1)
    flat, nested = Compose(flip, crop, Plus(1)), Compose(flip, Compose(crop, Plus(1)))
    assert torch.equal(flat(images, generator=seeded()), nested(images, generator=seeded()))


def test_random_apply_changes_whole_images_by_a_coin_of_their_own():
    images, n, p = torch.zeros(20_000, 1, 2, 2), 20_000, 0.8
    changed = RandomApply(Plus(1), p)(images, generator=seeded())
    assert torch.equal(changed, changed[:, :, :1, :1].expand(-1, 1, 2, 2))
    assert set(changed.flatten().tolist()) == {0.0, 1.0}
    assert abs(changed.double().mean() - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_random_apply_with_certainty(pictures):
    images = pictures(5, 1, 2, 2)
    assert torch.equal(RandomApply(Plus(1), 0.0)(images), images)
    assert torch.equal(RandomApply(Plus(1), 1.0)(images), images + 1)


def test_settings_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        RandomCrop(4).size = 5
    with pytest.raises(FrozenInstanceError):
        Compose().augmentations = ()
    assert Compose(RandomCrop(4), Identity()) == Compose(RandomCrop(4), Identity())


def test_refusals():
    with pytest.raises(TypeError, match=r"images must be a torch tensor, got list; use torch\.as_tensor"):
        Identity()([[0.0]])
    with pytest.raises(TypeError, match=r"from 0 to 1, got torch\.uint8; scale uint8 by 1/255"):
        Identity()(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"got \[5, 4, 4\]; add a channel axis .* images\[:, None\]"):
        Identity()(torch.zeros(5, 4, 4))
    with pytest.raises(ValueError, match=r"each at least 1, got \[0, 1, 4, 4\]"):
        Identity()(torch.zeros(0, 1, 4, 4))
    with pytest.raises(TypeError, match=r"expected an Augmentation, got \[Identity\(\)\]; give each as an argument"):
        Compose([Identity()])
    with pytest.raises(TypeError, match="expected an Augmentation, got None"):
        RandomApply(None)
    with pytest.raises(ValueError, match=r"probability must be a probability from 0 to 1, got 1\.5"):
        RandomApply(Identity(), 1.5)
    with pytest.raises(ValueError, match=r"must keep the shape \[2, 1, 4, 4\], got \[2, 1, 3, 3\]"):
        RandomApply(CenterCrop(3))(torch.zeros(2, 1, 4, 4))
