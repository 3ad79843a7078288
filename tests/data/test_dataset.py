"""paperlib.data.Dataset: what it holds is what it says."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.data import Dataset


def make(y):
    return Dataset(x=torch.zeros(4, 3), y=y, name="toy", source="here", license="none")


def test_the_representation_names_shapes_types_classes_and_licence():
    assert repr(make(torch.tensor([0, 0, 2, 2]))) == (
        "Dataset('toy', split='all': x float32 [4, 3], y int64 [4] in 2 classes; none)"
    )
    assert "no labels" in repr(make(None))


def test_the_length_is_the_number_of_samples():
    assert len(make(None)) == 4


def test_numpy_shares_the_memory_of_the_tensors():
    data = make(None)
    np.asarray(data.x)[0, 0] = 5
    assert data.x[0, 0] == 5


def test_a_data_set_cannot_be_changed_by_assignment():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make(None).y = torch.zeros(4)


@pytest.mark.parametrize("y", [torch.zeros(4), torch.zeros(3, dtype=torch.int64), torch.zeros(4, 1, dtype=torch.int64)])
def test_labels_that_do_not_fit_are_refused(y):
    with pytest.raises(ValueError, match=r"an int64 label for each row of x is needed"):
        make(y)
