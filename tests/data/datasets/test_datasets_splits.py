"""Split rules: fixed by names alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data.datasets import ByHash, Stratified, load_split
from neurosim.data.datasets.splits import parse_split, unit_hash
from neurosim.errors import FormatError, RangeError

NAMES = [f"class{n % 7}/{n:05d}" for n in range(700)]
LABELS = [n % 7 for n in range(700)]


def test_the_hash_never_changes():
    assert unit_hash("nmnist", "5/1") == 0.2018930294723127
    assert 0 <= unit_hash("", "") < 1


@pytest.mark.parametrize("rule", [Stratified("s", 0.2, 0.1), ByHash("s", 0.2, 0.1)])
@given(seed=st.integers(0, 100))
def test_the_order_of_the_samples_does_not_matter(rule, seed):
    order = np.random.default_rng(seed).permutation(len(NAMES))
    plain = dict(zip(NAMES, rule.assign(NAMES, LABELS), strict=True))
    names = [NAMES[n] for n in order]
    assert dict(zip(names, rule.assign(names, [LABELS[n] for n in order]), strict=True)) == plain


def test_stratified_takes_the_same_share_of_each_class():
    assigned = np.array(Stratified("s", validation=0.2, test=0.1).assign(NAMES, LABELS))
    for label in range(7):
        mine = assigned[np.array(LABELS) == label]
        assert [(mine == s).sum() for s in ("train", "validation", "test")] == [70, 20, 10]


def test_by_hash_has_its_shares_on_average_and_adding_samples_moves_none():
    rule = ByHash("s", validation=0.2, test=0.1)
    names = [str(n) for n in range(10000)]
    assigned = np.array(rule.assign(names, [0] * len(names)))
    assert abs((assigned == "validation").mean() - 0.2) < 4 * 0.004
    assert abs((assigned == "test").mean() - 0.1) < 4 * 0.003
    assert rule.assign(names[:100], [0] * 100) == assigned[:100].tolist()


def test_another_salt_is_another_split():
    assert Stratified("a").assign(NAMES, LABELS) != Stratified("b").assign(NAMES, LABELS)


@pytest.mark.parametrize("rule", [Stratified, ByHash])
def test_bad_shares_are_named(rule):
    with pytest.raises(RangeError, match=r"test: must be in 0\.\.1"):
        rule("s", test=1.5)
    with pytest.raises(RangeError, match="validation: must be a finite number"):
        rule("s", validation="much")
    with pytest.raises(RangeError, match="leave samples to train on"):
        rule("s", validation=0.5, test=0.5)


def test_split_names_are_checked_and_can_be_added():
    assert parse_split("X", "train+test") == ("train", "test")
    with pytest.raises(RangeError, match=r"X\.split.*Did you mean 'validation'"):
        parse_split("X", "valid")


@pytest.mark.parametrize("name", ["digits_dvs", "cifar10_dvs", "dvs_gesture"])
def test_shipped_split_files_say_what_they_index_and_by_which_rule(name):
    assert {"data", "rule"} <= set(load_split(name))


def test_shipped_lists_follow_the_rule_they_state():
    def order(salt, names):
        return sorted(names, key=lambda n: hashlib.sha256(f"{salt}/{n}".encode()).digest())

    numbers = order("cifar10_dvs", range(1000))
    table = load_split("cifar10_dvs")
    assert (sorted(numbers[:100]), sorted(numbers[100:200])) == (table["test"], table["validation"])
    users = order("dvs_gesture", [f"user{n:02d}" for n in range(1, 24)])
    assert sorted(users[:4]) == load_split("dvs_gesture")["validation_users"]


def test_an_unknown_split_file_is_named():
    with pytest.raises(FormatError, match="'nothing'"):
        load_split("nothing")
