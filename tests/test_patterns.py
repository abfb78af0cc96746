"""A regex is left out only where it would have found nothing: proved on the parsed form of each one in the rules."""

import re
from itertools import product
from re import _constants as ops
from re import _parser

import pytest

from numel import rules
from numel.core.patterns import branches, is_found, search, words_of

GAP = "\0"  # stands for text of which the regex does not say what it is

PATTERNS = sorted(
    {group.gate for group in rules.RULES}
    | {pattern for group in rules.RULES for pattern, _ in group.parts}
    | {pattern for table in (rules.ROLES, rules.TOWERS, rules.BUFFERS) for pattern, _ in table}
    | {rules.LAYER, rules.EXPERT, rules.LEAF, rules.CAUSAL_MASK, rules.ROTARY_WEIGHT, rules.ROUTER_BIAS}
    | {rules.TRAINED_ROUTER_BIAS}
    | {clue.child for clue in rules.CLUES}
    | {rf"(?:^|\.)(?:{clue.module})\.({clue.child})(?=\.|$)" for clue in rules.CLUES}  # as classify builds it
)


def texts(parsed) -> set[str]:
    """Every text that a parsed regex finds, with a gap wherever more than a few texts fit."""
    found = {""}
    for item in parsed:
        found = {a + b for a, b in product(found, texts_of(*item))}
    return found


def texts_of(op, argument) -> set[str]:
    if op is ops.LITERAL:
        return {chr(argument)}
    if op is ops.BRANCH:
        return set().union(*(texts(branch) for branch in argument[1]))
    if op is ops.SUBPATTERN:
        return texts(argument[3])
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
        least, most, inner = argument
        more = {text if most == 1 else text + GAP for text in texts(inner)}
        return more | {""} if least == 0 else more
    if op in (ops.AT, ops.ASSERT, ops.ASSERT_NOT):  # they take no room
        return {""}
    assert op in (ops.IN, ops.ANY, ops.NOT_LITERAL, ops.CATEGORY), op
    return {GAP}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_whatever_a_branch_finds_holds_one_of_its_words(pattern):
    for branch, needed in branches(pattern):
        if needed:
            without = [text for text in texts(_parser.parse(branch)) if not any(word in text for word in needed)]
            assert without == []


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_branches_are_those_of_the_regex(pattern):
    parts = [branch for branch, _ in branches(pattern)]
    assert "|".join(parts) == pattern
    assert set().union(*(texts(_parser.parse(part)) for part in parts)) == texts(_parser.parse(pattern))


def test_a_pattern_that_finds_a_text_without_its_words_is_seen():
    assert [words_of(branch) for branch, _ in branches("norm|.c")] == [("norm",), ("c",)]
    assert texts(_parser.parse("norm|.c|.")) == {"norm", GAP + "c", GAP}


@pytest.mark.parametrize("name", [".model.layers.{}.self_attn.q_proj", ".h.{}.ln_1", ".shared.", ".LayerNorm"])
def test_a_search_finds_what_re_finds(name):
    for pattern in PATTERNS:
        found, expected = search(pattern, name), re.search(pattern, name)
        assert (found and found.span()) == (expected and expected.span())
        assert is_found(pattern, name) == (expected is not None)


def test_most_branches_have_words():
    """Else nothing is won: what matches anything needs none, and few others go without."""
    without = [branch for pattern in PATTERNS for branch, words in branches(pattern) if branch and not words]
    assert len(without) < 15, without
