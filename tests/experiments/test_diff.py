"""paperlib.experiments.diff: what changed between two sets of rows beyond noise."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from paperlib.experiments import Row, write_rows
from paperlib.experiments.diff import ROUNDING, diff, diff_files

NAN = math.nan


def rows_of(values, **changes):
    """A row for each value; ``values`` in the order of the seeds, or a dict by seed."""
    key = {"paper": "ohl2022", "table": "a table", "dataset": "blobs", "method": "mmd", "size": "smoke"}
    made = {"seconds": 1.0, "peak_memory": 1.0, "device": "cpu", "versions": "python 3", "commit": "abc"}
    by_seed = values if isinstance(values, dict) else dict(enumerate(values))
    columns = key | {"metric": "ari"} | made | changes
    return [Row(seed=seed, value=float(value), **columns) for seed, value in by_seed.items()]


def simulated(groups, seeds, generator, shifts=None):
    """Rows of A and B with independent normal noise, the means of B shifted in the first groups."""
    shifts = [*(shifts or []), *[0.0] * groups][:groups]
    a, b = [], []
    for place, shift in enumerate(shifts):
        a += rows_of(generator.normal(size=seeds), method=f"method {place}")
        b += rows_of(generator.normal(shift, size=seeds), method=f"method {place}")
    return a, b


def test_p_is_that_of_the_t_statistic_by_hand():
    a, b = [1.0, 2.0, 3.0, 4.0], [1.5, 2.1, 3.6, 4.4]
    differences = [0.5, 0.1, 0.6, 0.4]  # mean 0.4, sum of squared deviations 0.14
    t = 0.4 / math.sqrt(0.14 / 3 / 4)
    found = diff(rows_of(a), rows_of(b), level=0.5)
    (one,) = found.beyond_noise
    assert one.p == pytest.approx(2 * stats.t.sf(t, df=3), rel=1e-9)
    assert one.p == pytest.approx(stats.ttest_rel(b, a).pvalue, rel=1e-9)
    assert one.difference == pytest.approx(sum(differences) / 4)
    assert (one.mean_a, one.mean_b) == pytest.approx((2.5, 2.9))
    assert one.seeds == (0, 1, 2, 3)


def test_many_groups_get_the_adjustment_for_dependent_metrics():
    generator = np.random.default_rng(0)
    a, b = simulated(6, 5, generator, shifts=[8.0, 4.0, 2.0])
    by_method = {}
    for x, y in zip(a, b, strict=True):
        by_method.setdefault(x.method, []).append(y.value - x.value)
    raw = {method: stats.ttest_1samp(values, 0).pvalue for method, values in by_method.items()}
    ordered = sorted(raw, key=raw.__getitem__)
    penalty = sum(1 / i for i in range(1, 7))
    expected, smallest = {}, 1.0
    for rank in range(6, 0, -1):
        smallest = min(smallest, raw[ordered[rank - 1]] * 6 / rank * penalty)
        expected[ordered[rank - 1]] = smallest
    found = diff(a, b)
    assert {one.group.method: one.p for one in (*found.beyond_noise, *found.within_noise)} == pytest.approx(expected)


def test_groups_with_other_numbers_of_seeds_keep_their_own_p():
    a = [*rows_of([1, 2, 4]), *rows_of([1, 2, 4, 7], metric="nmi"), *rows_of([0, 5, 1], metric="accuracy")]
    b = [*rows_of([2, 4, 5]), *rows_of([1, 3, 9, 7], metric="nmi"), *rows_of([1, 5, 3], metric="accuracy")]
    found = {one.group.metric: one.p for one in diff(a, b).within_noise}
    tests = [([2, 4, 5], [1, 2, 4]), ([1, 3, 9, 7], [1, 2, 4, 7]), ([1, 5, 3], [0, 5, 1])]
    adjusted = stats.false_discovery_control([stats.ttest_rel(y, x).pvalue for y, x in tests], method="by")
    assert found == pytest.approx(dict(zip(("ari", "nmi", "accuracy"), adjusted, strict=True)))


def test_values_are_paired_by_seed_and_not_by_order():
    a = rows_of({0: 0.1, 1: 0.9, 2: 0.5, 7: 0.3})
    b = rows_of({7: 0.31, 2: 0.512, 1: 0.908, 0: 0.111})
    found = diff(a, b)
    (one,) = found.beyond_noise
    assert one.seeds == (0, 1, 2, 7)
    assert one.p < 0.01  # in the order of the rows the differences would be as wide as the values


def test_the_order_of_the_rows_changes_nothing():
    a, b = simulated(30, 5, np.random.default_rng(1), shifts=[9.0] * 10)
    mixed_a, mixed_b = list(a), list(b)
    random.Random(0).shuffle(mixed_a)
    random.Random(1).shuffle(mixed_b)
    assert diff(mixed_a, mixed_b) == diff(a, b)


def test_exchanging_the_sides_flips_signs_and_nothing_else():
    a, b = simulated(30, 5, np.random.default_rng(2), shifts=[9.0] * 10)
    a += [*rows_of([NAN, 1], metric="loss"), *rows_of([1], metric="nmi"), *rows_of([1], metric="only")]
    b += [*rows_of([1, 1], metric="loss"), *rows_of([2], metric="nmi")]
    there, back = diff(a, b), diff(b, a)
    assert len(there.beyond_noise) > 1
    for name in ("beyond_noise", "within_noise", "not_judged"):
        flipped = [
            replace(one, difference=-one.difference, mean_a=one.mean_b, mean_b=one.mean_a)
            for one in getattr(back, name)
        ]
        assert flipped == list(getattr(there, name))
    assert there.became_defined == back.became_undefined != ()
    assert there.only_a == back.only_b != ()
    assert (there.a, there.b) == (back.b, back.a)


def test_noise_alone_is_next_to_never_called_a_change():
    generator = np.random.default_rng(3)
    false = [len(diff(*simulated(400, 5, generator)).beyond_noise) for _ in range(5)]
    assert sum(bool(number) for number in false) <= 1
    assert max(false) <= 1


def test_without_the_adjustment_noise_would_be_called_a_change():
    a, b = simulated(400, 5, np.random.default_rng(3))
    differences = np.array([y.value - x.value for x, y in zip(a, b, strict=True)]).reshape(400, 5)
    assert (stats.ttest_1samp(differences, 0, axis=1).pvalue <= 0.05).sum() >= 10


def test_clear_shifts_are_found_among_noise():
    a, b = simulated(100, 10, np.random.default_rng(4), shifts=[6.0] * 20)
    called = {one.group.method for one in diff(a, b).beyond_noise}
    shifted = {f"method {place}" for place in range(20)}
    assert shifted <= called
    assert len(called - shifted) <= 2


def test_a_higher_level_calls_more():
    a, b = rows_of([1.0, 2.0, 3.0]), rows_of([1.5, 2.7, 3.25])
    (one,) = diff(a, b, level=0.05).within_noise
    assert 0.05 < one.p < 0.1
    assert diff(a, b, level=0.1).beyond_noise == (one,)
    assert diff(a, b, level=one.p).changed


def test_one_common_seed_is_listed_apart_and_is_no_change():
    found = diff(rows_of([0.5, 0.7]), rows_of({0: 0.1}))
    (one,) = found.not_judged
    assert (one.difference, one.seeds) == (pytest.approx(-0.4), (0,))
    assert math.isnan(one.p)
    assert not found.changed
    assert "Cannot be judged, one seed or one shift on fewer than 5: 1 group" in str(found)


@pytest.mark.parametrize("shift", [1.0, 0.1])
def test_the_same_shift_on_every_seed_is_a_change(shift):
    values = [0.3, 0.5, 0.123, 0.77, 0.2]  # with 0.1 the differences are equal but for rounding
    found = diff(rows_of(values), rows_of([value + shift for value in values]))
    (one,) = found.beyond_noise
    assert math.isnan(one.p)
    assert one.difference == pytest.approx(shift)
    assert found.changed
    assert "5 seeds, the same shift on each, not tested" in str(found)


def test_shifts_that_are_not_tested_leave_the_other_p_as_they_were():
    a, b = rows_of([1.0, 2.0, 3.0]), rows_of([1.5, 2.7, 3.25])
    more = diff([*a, *rows_of([1, 2], metric="nmi")], [*b, *rows_of([2, 3], metric="nmi")])
    assert len(more.within_noise) == 1
    assert more.within_noise == diff(a, b).within_noise


def test_equal_values_are_only_counted():
    same = [*rows_of([0.5, 0.7]), *rows_of([NAN, NAN], metric="nmi"), *rows_of([NAN, 0.0], metric="loss")]
    found = diff(same, same)
    assert found.identical == 3
    assert not found.changed
    assert found.within_noise == found.not_judged == found.only_a == found.only_b == ()


def test_rounding_is_no_change_and_what_exceeds_it_is():
    values = [0.3, 0.5, 0.4, 0.45, 0.35]
    assert diff(rows_of(values), rows_of([value + 2.0**-53 for value in values])).identical == 1
    assert diff(rows_of(values), rows_of([value + ROUNDING for value in values])).changed


def test_an_undefined_number_is_a_change_of_its_own_and_the_other_seeds_are_tested():
    a = rows_of([NAN, 1.0, 2.0, 3.0, NAN])
    b = rows_of([0.5, NAN, 2.5, 3.7, NAN])
    found = diff(a, b)
    assert [one.seeds for one in found.became_defined] == [(0,)]
    assert [one.seeds for one in found.became_undefined] == [(1,)]
    (one,) = found.within_noise
    assert one.seeds == (2, 3)
    assert found.changed
    text = str(found)
    assert "Became undefined: 1 group" in text
    assert "Became defined: 1 group" in text
    assert diff(rows_of([NAN, 1.0]), rows_of([NAN, NAN])).changed
    assert diff(rows_of([NAN, 1.0]), rows_of([NAN, NAN])).identical == 0


def test_a_row_that_is_there_twice_counts_once():
    a, b = rows_of([1.0, NAN]), rows_of([2.0, NAN])
    assert replace(diff(a + a, b), a=diff(a, b).a) == diff(a, b)


@pytest.mark.parametrize("side", ["A", "B"])
def test_two_values_for_not_judged_are_refused_by_name(side):
    good, bad = rows_of([1.0, 2.0]), [*rows_of([1.0, 2.0]), *rows_of({1: 2.5})]
    message = rf"{side} has two values for ohl2022 \| a table \| blobs \| mmd \| smoke \| ari, seed 1: 2.0 and 2.5"
    with pytest.raises(ValueError, match=message):
        diff(*((bad, good) if side == "A" else (good, bad)))
    with pytest.raises(ValueError, match=r"seed 1: 2\.0 and nan"):
        diff([*good, *rows_of({1: NAN})], good)


@pytest.mark.parametrize("column", ["paper", "table", "dataset", "method", "size", "metric"])
def test_rows_of_other_groups_are_never_paired(column):
    other = rows_of([2.0, 3.0], **{column: "laptop" if column == "size" else "another"})
    found = diff(rows_of([1.0, 2.0]), other)
    assert not found.changed
    assert [(one.seeds, one.whole) for one in (*found.only_a, *found.only_b)] == [((0, 1), True)] * 2


@pytest.mark.parametrize("column", ["seconds", "peak_memory", "device", "versions", "commit"])
def test_circumstances_are_not_compared(column):
    value = 9.0 if column in {"seconds", "peak_memory"} else "another"
    found = diff(rows_of([1.0, 2.0]), rows_of([1.0, 2.0], **{column: value}))
    assert found.identical == 1
    assert not found.changed


def test_what_one_side_lacks_is_listed_and_is_no_change():
    a = [*rows_of([1.0, 2.0, 3.0]), *rows_of([1.0], metric="nmi")]
    b = [*rows_of([1.0]), *rows_of(range(2), metric="loss")]
    found = diff(a, b)
    assert [(one.group.metric, one.seeds, one.whole) for one in found.only_a] == [
        ("ari", (1, 2), False),
        ("nmi", (0,), True),
    ]
    assert [(one.group.metric, one.seeds, one.whole) for one in found.only_b] == [("loss", (0, 1), True)]
    assert not found.changed
    lines = str(found).splitlines()
    assert "Only in A: 1 group, 1 row" in lines
    assert "Only in A, of groups that both have: 1 group, 2 rows" in lines
    assert "Only in B: 1 group, 2 rows" in lines


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 5, NAN])
def test_a_level_that_is_no_rate_is_refused(level):
    with pytest.raises(ValueError, match=r"level=.* must be above 0 and below 1"):
        diff([], [], level=level)


def test_what_is_no_row_is_refused():
    with pytest.raises(TypeError, match="A holds a str; diff takes Row objects, diff_files takes paths"):
        diff("a.csv", [])


def test_no_rows_are_no_change():
    found = diff([], [])
    assert not found.changed
    assert "A: 0 rows" in str(found)


def test_the_text_says_where_rows_come_from_and_puts_the_largest_effect_first():
    a = [*rows_of([100.0, 150.0, 150.0, 150.0, 200.0]), *rows_of([1, 2, 2, 2, 3], metric="nmi", commit="old")]
    b = [*rows_of([101.0, 151.0, 151.0, 151.0, 201.0]), *rows_of([2, 3, 3, 3, 4], metric="nmi", device="a GPU")]
    found = diff(a, b)
    assert [one.group.metric for one in found.beyond_noise] == ["nmi", "ari"]
    assert str(found).splitlines() == [
        "A: 10 rows",
        "  commits: abc (5 rows); old (5 rows)",
        "  devices: cpu (10 rows)",
        "  versions: python 3 (10 rows)",
        "B: 10 rows",
        "  commits: abc (10 rows)",
        "  devices: a GPU (5 rows); cpu (5 rows)",
        "  versions: python 3 (10 rows)",
        "",
        "Changed beyond noise: 2 groups (0 groups tested, false discovery rate 0.05)",
        "  ohl2022 | a table | blobs | mmd | smoke | nmi",
        "      B - A = +1, from 2 to 3, 5 seeds, the same shift on each, not tested",
        "  ohl2022 | a table | blobs | mmd | smoke | ari",
        "      B - A = +1, from 150 to 151, 5 seeds, the same shift on each, not tested",
        "Within noise: 0 groups",
        "Identical (to rounding): 0 groups",
    ]


def test_the_text_is_narrow_and_shortens_long_lists():
    long = {"dataset": "a data set with words " * 8 + "x", "method": "m" * 150}
    a = [row for place in range(40) for row in rows_of(range(30), metric=f"metric {place}", **long)]
    b = [row for place in range(15) for row in rows_of({0: 0.5}, metric=f"metric {place}", **long)]
    text = str(diff(a, b))
    assert max(map(len, text.splitlines())) <= 120
    assert "Only in A: 25 groups, 750 rows" in text
    assert "  and 15 more groups" in text
    assert "  and 5 more groups" in text
    assert "seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 20 more" in text


def test_files_are_compared_as_their_rows_are(tmp_path):
    a, b = simulated(5, 4, np.random.default_rng(5), shifts=[50.0])
    write_rows(tmp_path / "a.csv", a)
    write_rows(tmp_path / "b.csv", b)
    assert diff_files(tmp_path / "a.csv", tmp_path / "b.csv", level=0.1) == diff(a, b, level=0.1)
    with pytest.raises(FileNotFoundError):
        diff_files(tmp_path / "a.csv", tmp_path / "none.csv")
