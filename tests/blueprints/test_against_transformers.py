"""Every blueprint against transformers' own classes: names, shapes, ties and buffers, in memory and on the hub."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numel.blueprints.library import load, model_types

pytest.importorskip("torch", reason="torch is not installed: blueprints cannot be compared with transformers' classes")
pytest.importorskip("transformers", reason="transformers is not installed: there is nothing to compare blueprints with")

from config_variants import valid
from transformers_reference import built, head_classes, knows
from verify_blueprints import compare

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own affairs

KNOWN = [model_type for model_type in model_types() if knows(model_type)]


@pytest.mark.parametrize("model_type", KNOWN)
def test_the_default_configuration_of_every_class_is_met(model_type):
    for cls in head_classes(model_type).values():
        model = built(model_type, cls, {})
        # the experts of larger models are cut apart below, where they are few
        assert model is None or compare(model_type, model, {}, hub_up_to=50e9) == []


@pytest.mark.parametrize("model_type", KNOWN)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_configuration_that_transformers_accepts_is_met(model_type, seed):
    classes = head_classes(model_type)
    fields = valid(model_type, Random(seed)) if classes else {}
    for cls in classes.values():
        model = built(model_type, cls, fields)
        assert model is None or compare(model_type, model, fields) == [], fields


@pytest.mark.parametrize("model_type", KNOWN)
def test_every_class_has_a_section_and_every_section_a_class(model_type):
    blueprint = load(model_type)
    sections = {blueprint.class_prefix + name for name in (*blueprint.sections, "Model") if name != "model"}
    classes = set(head_classes(model_type))
    assert classes <= sections
    assert sections - {blueprint.class_prefix + "Model"} <= classes
