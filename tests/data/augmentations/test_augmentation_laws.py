"""What holds for every augmentation: ranks, seeds, types, memory formats, gradients, no loops and no waiting."""

import pytest
import torch

from paperlib.data import augmentations
from paperlib.data.augmentations import (
    Augmentation,
    CenterCrop,
    ColorJitter,
    Compose,
    CropOfSizes,
    Cutout,
    Draws,
    GaussianBlur,
    Identity,
    Normalize,
    RandomAffine,
    RandomApply,
    RandomCrop,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
)

ALL = [
    CenterCrop(5),
    ColorJitter(0.4, 0.4, 0.4, 0.1),
    Compose(RandomHorizontalFlip(), RandomAffine(20), Cutout(3)),
    CropOfSizes((4, 6, 8), 6),
    Cutout(4, 2),
    GaussianBlur(3),
    Identity(),
    Normalize((0.1, 0.2, 0.3), (1.0, 2.0, 3.0)),
    RandomAffine(15, 0.1, (0.8, 1.2), 10, isotropic=False, fill=0.5),
    RandomApply(GaussianBlur(3), 0.5),
    RandomCrop(8, 2),
    RandomGrayscale(0.5),
    RandomHorizontalFlip(),
    RandomResizedCrop(7),
]
every = pytest.mark.parametrize("augmentation", ALL, ids=lambda augmentation: type(augmentation).__name__)
draws_nothing = (CenterCrop, Identity, Normalize)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_no_augmentation_is_left_out():
    exported = {getattr(augmentations, name) for name in augmentations.__all__}
    kinds = {kind for kind in exported if isinstance(kind, type) and issubclass(kind, Augmentation)}
    assert kinds - {Augmentation} == {type(augmentation) for augmentation in ALL}


@every
@pytest.mark.parametrize("cut", [1, 5])
def test_the_rows_of_two_ranks_are_those_of_one_process(augmentation, cut, pictures):
    images = pictures(12, 3, 8, 8)
    whole = augmentation.apply(images, Draws(12, seeded()))
    parts = [augmentation.apply(images[rows], Draws(12, seeded(), rows)) for rows in (slice(0, cut), slice(cut, None))]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-15)


@every
def test_a_seed_fixes_the_result_and_the_images_are_left_alone(augmentation, pictures):
    images = pictures(16, 3, 8, 8)
    before = images.clone()
    first = augmentation(images, generator=seeded())
    assert torch.equal(first, augmentation(images, generator=seeded()))
    assert torch.equal(first, augmentation.apply(images, Draws(16, seeded())))
    assert torch.equal(images, before)
    if not isinstance(augmentation, draws_nothing):
        assert not torch.equal(first, augmentation(images, generator=seeded(1)))


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_type_of_the_numbers_is_kept_and_the_result_agrees(augmentation, dtype, pictures):
    images = pictures(6, 3, 8, 8).to(dtype)
    result = augmentation(images, generator=seeded())
    assert result.dtype == dtype
    exact = augmentation(images.double(), generator=seeded())
    torch.testing.assert_close(result.double(), exact, rtol=0, atol=8 * torch.finfo(dtype).eps)


@every
@pytest.mark.parametrize("channels", [1, 3])
def test_the_memory_format_is_kept_and_does_not_matter(augmentation, channels, pictures):
    if channels == 1 and isinstance(augmentation, Normalize):
        augmentation = Normalize(0.1, 0.3)
    images = pictures(4, channels, 8, 8)
    last = images.contiguous(memory_format=torch.channels_last)
    result, result_last = augmentation(images, generator=seeded()), augmentation(last, generator=seeded())
    torch.testing.assert_close(result, result_last, rtol=0, atol=1e-14)
    assert result.is_contiguous()
    assert result_last.is_contiguous(memory_format=torch.channels_last)


@every
def test_images_of_another_shape_than_a_square_and_a_single_image_pass(augmentation, pictures):
    result = augmentation(pictures(1, 3, 8, 11), generator=seeded())
    assert result.shape[:2] == (1, 3)
    assert result.isfinite().all()


@every
def test_gradients_reach_the_images(augmentation, pictures):
    images = (0.3 + 0.4 * pictures(2, 3, 8, 8)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augmentation(x, generator=seeded()), images, fast_mode=True)


@every
def test_nothing_depends_on_values_at_the_cost_of_waiting_for_the_device(augmentation):
    """On the meta device a tensor has no values: whatever would read one raises."""
    images = torch.zeros(4, 3, 8, 8, device="meta")
    assert augmentation(images).device.type == "meta"
