"""A regex is left out only where it would have found nothing: proved on the parsed form of each one in the rules."""

import re
from itertools import product
from re import _constants as ops
from re import _parser

import pytest

from numel import rules
from numel.core.patterns import search, words

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
def test_whatever_a_rule_finds_holds_one_of_its_words(pattern):
    needed = words(pattern)
    if needed:
        without = [text for text in texts(_parser.parse(pattern)) if not any(word in text for word in needed)]
        assert without == []


def test_a_pattern_that_finds_a_text_without_its_words_is_seen():
    assert words("norm|.c") == ("norm", "c")
    assert texts(_parser.parse("norm|.c|.")) == {"norm", GAP + "c", GAP}


@pytest.mark.parametrize("name", [".model.layers.{}.self_attn.q_proj", ".h.{}.ln_1", ".shared.", ".LayerNorm"])
def test_a_search_finds_what_re_finds(name):
    for pattern in PATTERNS:
        found, expected = search(pattern, name), re.search(pattern, name)
        assert (found and found.span()) == (expected and expected.span())


def test_most_rules_have_words():
    """Else nothing is won: what matches anything needs none, and few others go without."""
    assert sum(1 for pattern in PATTERNS if pattern and not words(pattern)) < 10
