"""What a checkpoint holds beside the parameters, derived from the config: the hub's own counts of published files."""

import json

import pytest

import numel
from numel.blueprints.evaluate import evaluate
from numel.blueprints.library import load
from numel.cli import main
from numel.core.config import ModelConfig
from numel.core.holdings import Holding, arithmetic
from numel.sources.preset import all_presets

PRESETS = {preset.id: preset.facts for preset in all_presets()}
PUBLISHED = [id_ for id_, facts in PRESETS.items() if facts.get("hub_safetensors_total")]


def answer(capsys, *words):
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["models"][0]


def lines(model):
    return {line["what"]: line["numel"] for line in model["published_files"][0]["lines"] if line["counted"]}


@pytest.mark.parametrize("id_", PUBLISHED)
def test_the_hubs_count_of_the_published_file_is_explained_to_the_element(id_, tmp_path, capsys):
    """presets/models.jsonl: hub_safetensors_total, by name and from the configuration alone."""
    facts = PRESETS[id_]
    config = tmp_path / "config.json"
    config.write_text(json.dumps(facts["config"]))
    for word in (id_, str(config)):
        model = answer(capsys, word)
        counts = model["counts"]
        assert counts["total"] == facts["total_params"]
        if "active_computed" in facts:
            both = (counts["active"], counts["active_without_input_embedding"])
            known = facts["active_computed"]
            assert both == (known["active_all"], known["active_excl_input_embedding"])
        file = next(file for file in model["published_files"] if file["model"] == id_)
        assert file["numel"] == facts["hub_safetensors_total"]
        assert file["beyond_parameters"] == facts["hub_delta_vs_params"]
        assert sum(line["numel"] for line in file["lines"] if line["counted"]) == facts["hub_delta_vs_params"]


UNPUBLISHED = [i for i, facts in PRESETS.items() if facts.get("total_params") and i not in PUBLISHED]


@pytest.mark.parametrize("id_", UNPUBLISHED)
def test_where_the_hub_states_nothing_the_config_alone_gives_the_total(id_, tmp_path, capsys):
    """presets/models.jsonl: total_params and active_computed, through the command line; one published figure is wrong."""
    facts = PRESETS[id_]
    config = tmp_path / "config.json"
    config.write_text(json.dumps(facts["config"]))
    counts = answer(capsys, str(config))["counts"]
    assert counts["total"] == facts["total_params"] - (602_112 if facts["agreement"] == "disagrees" else 0)
    if "active_computed" in facts:
        assert counts["active"] == facts["active_computed"]["active_all"]


def test_deepseek_v3_has_four_numbers(capsys):
    """deepseek-ai/DeepSeek-V3: README_WEIGHTS.md, and per-dtype totals of its safetensors files."""
    model = answer(capsys, "deepseek-ai/DeepSeek-V3")
    counts, file = model["counts"], model["published_files"][0]
    assert counts["total"] == 671_026_404_352
    assert counts["stored"] == 671_026_419_200
    assert file["numel"] == 684_531_386_000
    assert (counts["active"], counts["active_without_input_embedding"]) == (37_552_282_624, 36_625_603_584)
    held = lines(model)
    assert held["quantisation scales"] == 41_540_496
    assert sum(n for what, n in held.items() if what.startswith("multi-token")) == 13_463_426_304


def test_without_a_published_file_its_elements_are_derived(capsys, tmp_path):
    """The same configuration with a layer less is nobody's: what every such checkpoint holds is its sum."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(PRESETS["deepseek-ai/DeepSeek-V3"]["config"] | {"num_hidden_layers": 60}))
    (file,) = answer(capsys, str(config))["published_files"]
    layer = 256 + 256 * 3 * (2048 * 7168 // 128**2)  # router biases; scales of 256 experts
    layer += 3 * (2048 * 7168 // 128**2)  # the shared expert
    attention = (1536, 7168), (128 * 192, 1536), (512 + 64, 7168), (128 * 256, 512), (7168, 128 * 128)
    layer += sum(-(-rows // 128) * -(-columns // 128) for rows, columns in attention)
    assert file["model"] is None
    assert file["beyond_parameters"] == 684_531_386_000 - 671_026_404_352 - layer


def test_gpt2s_masks_are_a_line_for_people(capsys):
    assert main(["gpt2", "--width", "200"]) == 0
    said = capsys.readouterr().out
    assert "the hub counts 137,022,720 elements in the published checkpoint of openai-community/gpt2" in said
    assert "buffers (causal_mask), 12 × 1024² = 12,582,912" in said


def test_what_only_some_checkpoints_hold_is_said_of_a_config_that_nobody_published(tmp_path, capsys):
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "gpt2", "n_layer": 7}')
    assert main([str(config), "--width", "200"]) == 0
    assert "some checkpoints also hold: buffers (causal_mask), 7 × 1024² = 7,340,032" in capsys.readouterr().out
    (file,) = answer(capsys, str(config))["published_files"]
    assert {line["counted"] for line in file["lines"]} == {None}


def test_changed_fields_are_nobodys_checkpoint(capsys):
    assert answer(capsys, "gpt2", "--set", "n_layer=12")["published_files"][0]["model"] is None


def test_modules_that_are_not_converted_have_no_scales():
    """transformers: modules_to_not_convert names modules; llama's 7 matrices of 2 layers, without one layer's MLP."""
    config = {
        "model_type": "llama", "hidden_size": 256, "intermediate_size": 384, "num_hidden_layers": 2,
        "num_attention_heads": 2, "vocab_size": 1000,
        "quantization_config": {
            "quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["model.layers.1.mlp"],
        },
    }  # fmt: skip
    (file,) = numel.inspect(config).report().data["models"][0]["published_files"]
    scales = next(line for line in file["lines"] if line["kind"] == "scale")
    assert scales["numel"] == 2 * 4 * (2 * 2) + 3 * (2 * 3)


def test_the_scales_of_experts_in_mxfp4_are_a_line():
    """openai/gpt-oss-safeguard-20b: the hub counts 21,511,953,984 elements, 597,196,800 more than the model has."""
    config = {"model_type": "gpt_oss", "num_hidden_layers": 24, "num_local_experts": 32}
    (file,) = (
        numel.inspect(config | {"quantization_config": {"quant_method": "mxfp4"}})
        .report()
        .data["models"][0]["published_files"]
    )
    scales = next(line for line in file["lines"] if line["kind"] == "scale")
    assert numel.inspect(config).total + scales["numel"] == 21_511_953_984


def test_what_a_model_holds_and_never_reads_is_a_line_of_its_own():
    """google/gemma-3n-E2B-it: the hub counts 5,439,438,272 elements; keys and values of 10 layers that use others' are stored."""
    config = {
        "model_type": "gemma3n_text",
        "num_hidden_layers": 30,
        "num_kv_shared_layers": 10,
        "intermediate_size": [8192] * 30,
    }
    (file,) = numel.inspect(config).report().data["models"][0]["published_files"]
    (line,) = [line for line in file["lines"] if line["kind"] == "unread"]
    assert line["numel"] == 5_439_438_272 - 5_418_464_192


def test_gemma_4_holds_keys_and_values_of_layers_that_use_others():
    """google/gemma-4-E2B-it: the hub counts 5,123,178,051 elements, 35 of them `layer_scalar`."""
    config = {
        "model_type": "gemma4_text", "hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 35,
        "num_key_value_heads": 1, "num_kv_shared_layers": 20, "use_double_wide_mlp": True,
        "layer_types": [*["sliding_attention"] * 4, "full_attention"] * 7,
    }  # fmt: skip
    (file,) = numel.inspect(config).report().data["models"][0]["published_files"]
    (line,) = [line for line in file["lines"] if line["kind"] == "unread"]
    assert line["numel"] == 5_123_178_051 - 5_104_297_504 - 35


TINY = {
    "model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "vocab_size": 40, "hidden_size": 16,
    "intermediate_size": 24, "moe_intermediate_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2,
    "num_key_value_heads": 2, "n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1,
    "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4, "v_head_dim": 4, "num_nextn_predict_layers": 1,
}  # fmt: skip


@pytest.fixture(params=[True, False], ids=["with its config", "bare"])
def tiny(request, tmp_path):
    """A DeepSeek-V3 with everything that its published files hold: a layer more, buffers and scales."""
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    one_more = evaluate(
        load("deepseek_v3"), ModelConfig(TINY | {"num_hidden_layers": 4, "num_nextn_predict_layers": 0})
    )
    tensors = {t.name: torch.zeros(t.shape) for t in one_more.tensors}
    ahead = {
        "eh_proj": (16, 32),
        "enorm": (16,),
        "hnorm": (16,),
        "shared_head.norm": (16,),
        "shared_head.head": (40, 16),
    }
    tensors |= {f"model.layers.3.{name}.weight": torch.zeros(shape) for name, shape in ahead.items()}
    tensors["model.layers.3.embed_tokens.weight"] = torch.zeros(40, 16)
    tensors["model.layers.0.mlp.up_proj.weight_scale_inv"] = torch.zeros(1, 1)
    save_file(tensors, tmp_path / "model.safetensors")
    if request.param:
        (tmp_path / "config.json").write_text(json.dumps(TINY))
    return tmp_path


def test_a_file_with_layers_for_multi_token_prediction_counts_the_model_alone(tiny):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        module = transformers.DeepseekV3ForCausalLM(transformers.DeepseekV3Config(**TINY))
    model = numel.inspect(tiny)
    assert model.total == sum(p.numel() for p in module.parameters())
    found = {line["kind"]: line["numel"] for line in model.report().data["models"][0]["stored_difference"]}
    assert found["scale"] == 1
    assert sum(found.values()) == model.stored - model.total
    assert found["mtp"] > 2 * 40 * 16 + 16 * 32


def test_arithmetic_is_as_short_as_it_can_be():
    assert arithmetic({(1, 1, 1024, 1024): 12}) == "12 × 1024²"
    assert arithmetic({(): 12}) == "12 × 1"
    assert arithmetic({(256,): 58}) == "58 × 256"
    assert arithmetic({(n,): 1 for n in range(2, 9)}) == "7 tensors"
    assert Holding("buffer", "rotary", {(64,): 32, (2, 2): 1}).numel == 32 * 64 + 4


MT5_XL = {
    "model_type": "mt5", "architectures": ["MT5ForConditionalGeneration"], "vocab_size": 250112, "d_model": 2048,
    "d_kv": 64, "d_ff": 5120, "num_layers": 24, "num_heads": 32, "tie_word_embeddings": False,
}  # fmt: skip


def test_where_transformers_overrules_the_config_the_configs_word_decides_and_a_line_says_so():
    """google/mt5-xl: 3,742,619,648 in the checkpoint; transformers 5.23 on the meta device makes 3,230,390,272."""
    model = numel.inspect(MT5_XL)
    assert model.total == 3_742_619_648
    (said,) = (text.values for text in model.report().assumptions if "5.23" in text.template)
    assert said["without"].raw == 3_230_390_272
    tied = numel.inspect(MT5_XL | {"tie_word_embeddings": True})
    assert tied.total == 3_230_390_272
    assert not any("5.23" in text.template for text in tied.report().assumptions)


def test_long_t5_heeds_the_config_as_well():
    """google/long-t5-local-base: T5 v1.1 base (247,577,856 with a matrix for output) with local attention instead."""
    config = {"model_type": "longt5", "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 2048, "num_layers": 12,
              "num_heads": 12, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}  # fmt: skip
    assert numel.inspect(config).total == 247_577_856


def test_a_single_buffer_is_no_equation_of_a_number_with_itself():
    said = [
        str(block.text.values.get("formula"))
        for block in numel.inspect("bert-base-uncased").report().blocks
        if hasattr(block, "text")
    ]
    assert any("1 × 512" in formula for formula in said)
