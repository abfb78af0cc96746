r"""Which names mean which part of a Transformer: the field's naming habits, as ordered tables.

A name is matched with a dot in front, without its leaf `weight` or `bias`, and with `{}` for the numbers of its
layer and its expert: `transformer.h.3.attn.c_attn.weight` is matched as `.transformer.h.{}.attn.c_attn`. Other
numbers stay, since they mean something (`fc1`, `w2`, the `1` of a Sequential).

The first group whose gate matches says the component, then the first of its rows that matches says the part; the
part `\1` is what the row's parentheses caught. The order carries the meaning: a norm inside an attention module is
a norm, and a router's `gate` comes before the gate of a gated MLP.

Sources: the module trees of transformers 5.23; llama.cpp's gguf-py/gguf/constants.py for the names under `blk.`.
"""

from __future__ import annotations

from .core.parameters import Component
from .core.records import NamedTuple


class Group(NamedTuple):
    """The names that `gate` finds belong to `component`; `parts` are its rows of (regex, part)."""

    component: Component
    gate: str
    parts: tuple[tuple[str, str], ...]


class Clue(NamedTuple):
    """A `module` that holds a child named like `child` is matched as if the module were called `reads_as`."""

    module: str
    child: str
    reads_as: str


def either(*patterns: str) -> str:
    """One regex that finds what any of `patterns` finds."""
    return "|".join(patterns)


# self_attn · attention · SelfAttention · EncDecAttention · rel_attn · attn_q: what attention is called
ATTN = r"(?:[Aa]ttn|[Aa]ttention)"
# q_proj · q_lin · q_bias · query_global · q_attn · v_proj_delayed
SUFFIX = (
    r"(?:_(?:proj|lin|bias|global|head|net|attn|protein|l2_clip|adapter_list|d[uv])(?:_(?:current|delayed))?)?(?:\.|$)"
)
# up and down projections by number or by direction: fc1, linear_1, lin1, layer_1, dense1 · fc_in, linear_in
NUMBERED = r"(?:fc|lin|linear|layer|dense|ffn\.conv)_?"
FIRST, SECOND = NUMBERED + r"(?:1(?!\d)|in|up)|ffn\.net\.0", NUMBERED + r"(?:2|out|down)|ffn\.net\.3"

RULES: tuple[Group, ...] = (
    # ── Norms: before everything, since they sit inside everything ────────────────────────────────────────────────
    Group(
        Component.NORM,
        either(
            # ln_1 · bn2 · input_layernorm · layer_norm1.3 · qk_norm.temp; but not norm_attn_norm.attn.Wqkv
            r"(?i:norm|[._]ln(?=[_\d.]|$)|[._]bn(?=[_\d.]|$))\w*(?:\.(?:\d+|\{\}))?(?:\.\w+)?$",
            r"norm\w*\.mlp\.|visual_projection\.1$|audio_adapter\.proj\.0$|patch_embedding\.[14]$|tor\.act$|_rms$|^\.mlp1\.0$|downsampling_layer\.0$|(?:sam_(?:model|encoder)|^)\.neck\.[13]$|deep_classifier\.1$",  # (in a Sequential)
            r"(?i:ada_?ln)|\.grn$|(?:rbr_|\.)identity$|diffusion_head\.(?:layers\.\{\}\.linear|final_layer\.linear_1)$",  # TextNet's identity is a norm
        ),
        (
            (r"norm\w*\.(?:mlp\.|W_)", "gate_mlp"),  # a small MLP computes the gain
            (
                r"(?i)ada_?ln|norm\w*(?:\.\d+)?\.(?:linear|conv_[yb])$|diffusion_head.*\.linear",
                "adaln",
            ),  # modulated by a condition
            (r"indexer|(?<!sequence_)compressor", "in_indexer"),
            (
                ATTN
                + r".*[._](?:q|k|v|kv|qk|query|key)_(?:\w+_)?(?:layer_?)?norm|self_attn\.norm_[qk]$|resampler\..*\.[qk]_layer_norm$",
                "qk_norm",
            ),  # kv_a_layernorm
            (
                r"[._]head\.(?:layer_)?(?:norm|ln$)|predictions\.|mlm_score\.|classifier\w*\.(?:batch_norm|1$)",
                "in_head",
            ),
            (r"\.head\.layernorm", "in_attention"),  # the attention that pools a picture
            (r"embeddings?\.\w*[Nn]orm(?:alization)?$|layernorm_embedding|embeddings?_layer_?norm", "in_embedding"),
            (r"embed_norm|embd_norm|emb_ln|layer_norm_emb$", "in_embedding"),
            (r"patch_embedding\.[14]$|embedding_layer_\d\.|feature_projection\.", "in_embedding"),
            (r"linear_attn", "in_linear_attention"),
            (r"(?:mamba|(?<!connection_)mixer|ssm)[._]\w*norm", "in_ssm"),
            (ATTN + r"\.output\.", "in_attention_output"),  # BERT's, after the residual connection
            (r"bottleneck\.\w+\.LayerNorm|cross_attention\.layernorm$|_before_", "block"),
            (ATTN + r"\.(?:\w+\.)*\w*(?:[Nn]orm|ln)|norm_attn_norm\.", "in_attention"),
            (r"timm_model\.blocks\.\{\}\.\d+\.norm$", "in_attention"),  # MobileNetV5: only its attention has one
            (r"encoder\.block\.\{\}\.layer\.0\.|decoder\.block\.\{\}\.layer\.[01]\.", "in_attention"),  # T5
            (r"\.(?:output|intermediate)(?:_query|\.bottleneck)?\.[Ll]ayer[Nn]orm$", "in_mlp"),
            (r"(?:mlp|ff\d?|ffn|ffw\w*|feed_forward\w*)\.(?:\w+\.)*\w*norm|\.grn$", "in_mlp"),
            (r"timm_model.*bn\d?$", "model_level"),
            (
                r"\{\}\.|conv_\d\.|\.mid(?:dle_block)?\.|attn_norms\.|res_stack\.",
                "block",
            ),  # input_layernorm · ln_1: somewhere in a layer
            (r"", "model_level"),  # ln_f · model.norm
        ),
    ),
    # ── Tables of angles, where a file keeps them ─────────────────────────────────────────────────────────────────
    Group(Component.ROTARY, r"rotary_|inv_freq|rope_f|freqs_cis", ((r"", "rotary"),)),
    # ── What scales or mixes the residual stream ──────────────────────────────────────────────────────────────────
    Group(
        Component.RESIDUAL,
        either(
            r"altup|laurel|hyper_connection|[._]hc[._]|_hc\.|attn_res\.|_input\.query$",  # several streams
            r"layer_?scale|layer_output_scale|\.ls_?\d|\.lambda_\d$|lambdas$|(?<!norm\.)gamma(?:_\d)?$|_vision_alpha$",
            r"(?:stages\.\{\}\.layers\.\d+|backbone\.blocks\.\{\}|^\.blocks\.\{\})\.proj$|residual(?!_vector|_conv)|_attn_\w+_gate$|\.alpha_(?:cross_attn|dense)$|adapter\.gate_\w+$|hidden_states_(?:scale|bias)$",
        ),
        (
            (r"altup|laurel|hyper|_hc\.|hc_|attn_res|query$|layer_?scale\w*\.|\.proj$", "mixing"),
            (r"hidden_states|residual_scale\.", "mixing"),
            (r"", "scale"),
        ),
    ),
    # ── What no module of a known kind owns ───────────────────────────────────────────────────────────────────────
    Group(
        Component.OTHER,
        r"bottleneck\.input\.dense$|model\.proj$|enc_output(?:\.\d)?$|(?:^\.|encoder\.)(?:input_linear|out|out_mid)$|z_[A-Z]_init$|latent_\w+_factor$|modules\.encoder_proj$|(?<!self\.)(?<!head\.)logit_(?:scale|bias)|^\.temperature$|density_router\.",
        (
            (r"\{\}\.", "layer_direct"),
            (r"", "model_direct"),
        ),
    ),
    # ── Small trained additions to a frozen model ─────────────────────────────────────────────────────────────────
    Group(
        Component.ADAPTER,
        r"lora_|_prompt\.|adapter_modules|(?<!vision_)adapter(?:_layer)?\.(?:fc|linear|conv|proj|up|down)\w*(?:\.\d)?$",
        (
            (r"\.(lora_[a-zA-Z]+)", r"\1"),
            (r"", "adapter"),
        ),
    ),
    # ── Mixtures of experts ───────────────────────────────────────────────────────────────────────────────────────
    Group(
        Component.ATTENTION,  # JetMoE mixes attention heads as well
        r"attention\.experts(?:\.\w+put_linear)?$",
        (
            (r"experts\.", "moa_experts"),
            (r"", "other"),
        ),
    ),
    Group(
        Component.MOE,
        either(
            r"experts(?:[._]|$)|[._]expert_\d|share_expert|shared_expert|shared_mlp|(?<!block_sparse_)moe|block_sparse_moe(?!\.(?:gate|up|down)_proj$)|(?<!sampler_model)(?<!merger)(?<!perceive)\.mlp(?:\.\w+put_linear)?$",
            r"(?:mlp|mixer|ffn)\.\w*(?:latent|_expert)_proj$",  # Nemotron-H, Muse: their experts are narrower than the model
            r"router|(?:mlp|mixer|feed_forward|ffn|layers\.\{\})\.gate(?:\.|$)|expert_bias",
            r"_exps|_shexp|gate_inp|exp_probs|ffn_(?:gate|up|down)\.\d+$|mlp\.gate_weight$",  # GGUF; dots.note's router
            r"mlp\.(?:(?:up|down)_embed|keys)$",  # Doge: experts are rows of a table
        ),
        (
            (r"shared_expert_gate|gate_inp_shexp", "shared_expert_gate"),
            (r"share_expert|shared_(?:expert|mlp)|_shexp", "shared_expert"),
            (r"latent|_expert_proj", "latent_proj"),
            (r"router|\.gate(?:\.|_weight|$)|gate_inp|expert_bias|correction_bias|exp_probs|keys$", "router"),
            (r"", "experts"),
        ),
    ),
    # ── From the width of one tower to the width of another, or of two streams to one ─────────────────────────────
    Group(
        Component.PROJECTOR,
        either(
            r"(?:(?<!vocab_)projector|connector|aligner|merger|perceive|resampler(?:_model)?|image_pooling_2d|embed_(?:vision|audio)|patch_merge_mlp)(?:\.|$)(?!.*(?:\{\}|\bimage_[a-z]+$))|merger_list\.",
            r"vision_(?:language_)?adapter\.(?:w_|fc)|sound_projection\.linear\d|visual\.proj_(?:in|out)$|_projectors\.\d\.(?:query|out_linear|image_positions)$",
            r"image_to_text_projection(?:\.|$)|^\.mlp_AR\.|(?:^|audio_tower)\.proj[12]?$|_to_(?:mm|talker)_proj(?:ection)?$|cross_modal_\w+_transform$",
            r"eh_proj$|mtp\.fc$|mtp\.\w*proj$|^\.(?:model\.)?(?:mm|mlp1)\.|text_model\.head$",  # SigLIP: from text to the space of both
            r"(?:^|vision_encoder)\.adapter\.mlp\.\d$|(?:^|audio_tower)\.output_proj$",
        ),
        (
            (r"eh_proj$|mtp\.", "mtp"),  # hidden state and next token's embedding, side by side
            (r"", "multimodal"),
        ),
    ),
    # ── State-space, linear-attention and recurrent layers: a part is called as its module's child is ─────────────
    Group(
        Component.SSM,
        r"mamba\.|mixer\.(?:_fp32_params|A_log|D|conv1d|dt_\w+|in_proj|out_proj|x_proj)|ssm_|(?:^|model)\.layers\.\{\}\.linear$",
        (
            (r"(?:mamba|mixer)\.(?:_fp32_params\.)?(\w+)", r"\1"),
            (r"ssm_(\w+)", r"\1"),  # GGUF
            (r"", "hybrid_linear"),  # Zamba: from its shared block back to the stream
        ),
    ),
    Group(
        Component.LINEAR_ATTENTION,
        either(
            r"linear_attn\.",
            r"(?:self_attn|attention)\.(?:[qkv]_conv1d|A_log|dt_bias|forget_gate|output_gate|[bf]_proj|[fg]_[ab]_proj)",
        ),
        ((r"(?:_attn|attention)\.(\w+)", r"\1"),),
    ),
    Group(
        Component.RECURRENT,
        r"mlstm_layer\.|time_mix\.|\.\{\}\.time_mix_|\.lstm\.|rg_lru|temporal_block\.(?:linear|conv)|attention\.(?:time_\w+|receptance)$",
        ((r"(?:mlstm_layer|time_mix|lstm|attention|temporal_block)[._](\w+)", r"\1"),),
    ),
    # ── Convolutions; those of attention and of embeddings come below ─────────────────────────────────────────────
    Group(
        Component.CONV,
        either(
            r"sconv|lconv|_convolution\.|conv_module|(?<!embed)\.conv\.|\.(?:conv|dw|pw)\w*\.conv$|conv_(?:exp|pwl)$",
            r"audio_tower\.(?:\w+\.)?conv\w*$|subsampl\w+\.(?:conv|layers)|down_conv|(?:attn|residual)_conv$",
            r"key_conv_attn|upsampler|upsample\.proj|subpixel|\.lab(?:\.scale)?$|timestamp_head|timestamp\.decoder\.[ud]\w+(?:\.\{\})?$|dwconv\.dwconv$|\.modulation\.|(?:nin|conv)_shortcut$|final_conv\.se\.fc\d$|(?:^\.|fpn\.)fpn\d(?:\.\d)?$|multi_scale_fusion|layer\.\d\.attention\.\d$",
        ),
        (
            (
                r"sconv|(?<!wise)_convolution|\.layers\.\{\}\.conv\.(?:(?:spatial_)?conv|in_proj|out_proj)$",
                "short_conv",
            ),
            (r"upsampler$|upsample\.|timestamp_head|timestamp\.decoder\.[ud]", "unnamed"),
            (r"", "conv"),
        ),
    ),
    # ── What turns the last hidden state into an answer ───────────────────────────────────────────────────────────
    Group(
        Component.HEAD,
        either(
            r"lm_heads?(?:\.|$)|predictions|pred_layer|lm_loss|vocab_(?:projector|transform)|unembed",
            r"^\.(?:language_model\.)?(?:head|decoder|output|embed_out|proj_out|logits_dense|fc|cls)$|^\.(?:head|cls)\.\w+$|\.score$",
            r"^\.(?:\w+\.)*output_(?:projection|layer)$|shared_head\.head$|\.head\.(?:attention|probe|dense)",
            r"(?<![._][qkv])_head(?:\.\w+)?$|pooler|classifier|seq_relationship|qa_outputs|head_linear$",
            r"decoder\.final_layer$|decode_head\.linear_|(?:start|end)_transform\.|sequence_summary\.|logits_proj$|score\.(?:dense|out_proj)$|^\.(?:column_)?output_(?:weights|bias)$",
            r"class_predictor$|^\.v_head(?:\.summary)?$|(?<![qkv])_head\.(?:layers|proj|logit_fc)\.(?:\d+|\{\})$|(?:duration|pitch|energy)_predictor\.linear$",
            r"^\.decoder\.\d$|^\.log_softmax\.|^\.joint\.head$|diffusion_head\.(?:timestep|final)|(?:feat|prob)_out$|action_out_proj$|mlm_score\.|rank_output$|bbox_predictor|(?:class|box|objectness)_head\.|^\.decoder\.head$|dur\w*_predictor\.proj$|hidden_to_|decoder_pred$",
            # wav2vec 2.0's: what frames are told from, which speaker it is
            r"quantizer\.weight_proj$|^\.(?:project_(?:hid|q)|(?:speaker|ctc)_proj|feature_extractor|objective|layer_weights)$|^\.tdnn\.",
        ),
        (
            (r"head\.(?:attention|probe)", "pooling"),
            (
                r"bbox_predictor|class_labels|(?:class|box|objectness)_head\.|decoder\.head$",
                "task",
            ),  # what and where things are
            (
                r"head\.(?:dense|regression|linear\d)|(?:predictions|mlm_score)\.(?:transform|dense)|_transform",
                "transform",
            ),
            (
                r"pooler|hidden_to_|summary\.|score\.dense|classifier\.(?!\d|convolution|linear$)|decode_head\.linear_",
                "transform",
            ),
            (r"weight_proj|project_|tdnn|feature_ex|layer_weights", "transform"),
            (
                r"objective|action_out|rank_output|\.final_layer$|class_predictor|v_head|_head\.\w+\.[\d{]|_predictor\.linear|output_(?:weights|bias)$|logits_proj|decoder_pred|(?:speaker|ctc)_proj|(?:feat|prob)_out$|predictor\.proj$|dist_head",
                "task",
            ),
            (r"classifier|(?<!mlm_)score|itm_head|^\.decoder\.\d$|seq_relationship|qa_outputs|diffusion", "task"),
            (r"^\.(?:fc|cls)(?:\.output)?$", "task"),
            (r"", "lm_head"),
        ),
    ),
    # ── Embeddings that another word in their name would hide ─────────────────────────────────────────────────────
    Group(
        Component.EMBEDDING,
        either(
            r"per_layer|\.inp_gate$|^\.blk\.\{\}\.proj$|embeddings?\.\w+",
            r"embeddings?_proj|embedding_hidden_mapping|embedder\.projection|project_(?:in|out)$|decoder_embed$|encoder_to_decoder$",
            r"(?<!relative_)position_bias\.relative|relative_position_embedding|rel_embeddings|pos_conv_embed",
            r"(?:vision_model|visual)\.conv1$|\.image_(?:newline|begin|end|sep)$|patchif|patch_generator\.|embed_patches\.",
            r"(?:action_in|(?:^|\.)state)_proj$|action_time_mlp|encoder_layers\.\{\}\.projection$|visual\.layers\.linear_\d",
            r"patch_emb|patch_conv$|downsample\.reduction$|vision_embed|_embed\.encoder\.embed\.|spec_embed",
            r"input_proj_linear|feature_projection|subsampl\w+\.linear|embedder\.(?:stem\w+\.)?convolution$|network\.\{\}\.proj$",
            r"pos_emb\.reparam_conv$|query_(?:768|1024)(?:_resolution)?$|view_sep[ae]rator$|positions_projection$|\.(?:padding|mask)\.(?:audio|image|label)$|\.ple\.(?:key|value)_proj$|ngram_embedding\.|pre_encode\.(?:out|proj)$|embedder\.(?:comp|linear|conv\d)|prenet\.(?:layers|final_layer|speaker_embeds|encode_pos)|pos_emb_alpha",
        ),
        (
            (r"per_layer(?:_token_embd)?$|ngram_embedding", "per_layer"),  # Gemma 3n: one more table for each layer
            (r"per_layer|\.ple\.|inp_gate|^\.blk\.\{\}\.proj$", "per_layer_proj"),
            (
                r"position(?!s_proj)|pos_emb|pos_conv|rel_emb|temporal_emb|box_linear|(?:row|column)_embedder",
                "position",
            ),
            (r"image_[a-z]+$|cls_token\.", "special"),
            (r"conv1|linear_\d|\{\}\.projection$|embeddings\.proj$|action_|state_proj", "patch_or_feature"),
            (r"patch|reduction|convolution|network|vision_embed|input_proj|feature|subsampl", "patch_or_feature"),
            (r"pre_encode\.out|prenet\.[lfs]|embedder\.[cl]|embed\.(?:conv|out)", "patch_or_feature"),
            (r"(?:token|task)_type|segment", "token_type"),
            (
                r"proj|transformation|_mapping|map_inputs|decoder_embed|encoder_to_decoder|embedding_dense",
                "proj",
            ),  # embeddings narrower than the model
            (r"class_emb|spec_emb|_tokens?$|\.(?:padding|mask)\.|query_\d|view_sep", "special"),
            (r"", "token"),
        ),
    ),
    # ── Attention ─────────────────────────────────────────────────────────────────────────────────────────────────
    Group(
        Component.ATTENTION,
        either(
            ATTN + r"(?!.*\.mlp\.)|self_att\.|qkv|\.indexer\.|relative_position_bias|\.rel_pos_(?:[xy]_)?bias$",
            r"token_mixer\.proj$|adapter\.(?:query|\w+_protein|out_proj)$|[._][qkvo]_(?:proj|lin)|out_lin|\.to_(?:q|k|v|kv|qkv|out)$|\.\{\}\.w(?:q|k|v|o|qkv)$",
            r"(?:queries|keys_values|(?:layers\.\d+|module)\.projection)\.linear$",  # LeViT
            r"sub_layer\.(?:(?:query|key|value)_net|out_projection)$|blocks\.\{\}\.0\.output_proj$",  # NeMo, IDEFICS
        ),
        (
            (r"indexer|(?<!sequence_)compressor", "indexer"),  # which keys a sparse attention looks at
            (r"sink|softmax_offset", "sink"),
            (
                r"relative_(?:attention|position)_bias|rel_logits|rel_pos_emb|rel_pos_(?:[xy]_)?bias|attn_rel_b",
                "rel_pos_bias",
            ),  # T5's table
            (r"rel_attn_embed|attention_biases$|distance_emb|continuous_position_bias|\.rpb$", "rel_pos_bias"),
            (r"rel_l2|rel_pos|relative_(?:pos|k)|linear_pos|(?<![a-z])r_(?:proj|kernel)|\.wr_du$", "rel_pos"),
            (r"r_[rsw]_bias|bias_[uv]$|seg_embed", "rel_pos"),  # Transformer-XL's
            (r"\.conv$|conv_qk|timm_model(?!.*mixer).*\.proj$|(?:spatial|sequence)_reduction$|\.sr$", "conv"),
            (r"(?:qkv(?:_proj)?|att_proj|query_key(?:_value)?|c_attn|W_pack|in_proj(?:_weight|_bias)?)$", "qkv"),
            (r"keys_values\.linear$|qkv_proj\.convolution$", "qkv"),
            (
                r"q_gate_proj|q_[ab](?:_proj)?$|attn_k_b$|\.wkv(?:$|_[ab])|\bkv_(?:[ab]_)?proj|attn_kv_[ab]",
                "latent",
            ),  # MLA
            (r"gate_(?:proj|bias)|linear_gate|g_proj|exclusive|attn_gate|gate_attn$", "gate"),
            (r"[._](?:q|query|queries\.linear|[wW]q|linear_q|project_q)" + SUFFIX, "q"),
            (r"[._](?:k|key|[wW]k|linear_k|project_k)" + SUFFIX, "k"),
            (r"[._](?:v|value|[wW]v|linear_v|project_v)" + SUFFIX, "v"),
            (r"[._](?:o|out|output|[wW]o|linear_out|to_out)(?:_lin|_ud|(?:_[ab])?(?:_proj\w*)?)(?:\.|$)", "o"),
            (
                r"attention_out|dense|c_proj|\.(?:proj|post|post_proj|final|projection\.linear)$|post_attention\.|linear_proj$|\.projection(?:_layer)?$",
                "o",
            ),
            (r"\.A$|dt_proj|per_dim_scale|lambda|logit_scale|softmax_scaling|ssmax_", "scale"),
            (r"", "other"),
        ),
    ),
    # ── MLPs ──────────────────────────────────────────────────────────────────────────────────────────────────────
    Group(
        Component.MLP,
        either(
            r"mlp|ffn|ffw|channel_mix|\.vis_(?:gate|up|down)$|\.ff\d?\.|feed_forward|fc\d?$|lin(?:ear)?[12]$|(?:up|down|gate)_proj$",
            r"resampler\.blocks\.\{\}\.1\.|intermediate|[Dd]ense|\{\}\.output\.|linear_(?:up|down)\.",  # BERT's layer.output.dense is the way down
        ),
        (
            (r"act_fn", "activation"),
            (r"mlp_of_three\.fc1$|mlp_of_qwen\.w2$|c_fc_0$", "gate"),
            (r"mlp_of_qwen\.w1$|mlp_from_zero\.fc0$|resblocks\.\{\}\.feed_forward\.w1$", "up"),
            (r"mlp_from_zero\.fc1$", "down"),
            (r"mlp_of_three\.fc3$", "up"),
            (r"gate_up|up_gate_proj|ff_proj$|\.Wi$|dots_encoder\..*\.fc1$|ffn\.proj_1$", "gate_up"),
            (r"output_dense", "down"),
            (r"proj_up_gate|fc12", "gate"),
            (
                r"up_proj|proj_up|c_fc|1\.fc$|h_to_4h|intermediate|feed_forward\.dense|\.wi$|wi_1|w3$|ffn_up|" + FIRST,
                "up",
            ),
            (
                r"down_proj|proj_down|c_proj|4h_to_h|\.[wW]o$|w2$|w_out|ff_out$|output|ffn_down|ffn\.proj_2$|" + SECOND,
                "down",
            ),
            (r"gate|wi_0|w1$", "gate"),
            (r"albert\w*\.[\d{}]+\.ffn$", "up"),
            (r"", "other"),
        ),
    ),
    # ── Between towers, where the name has no other word ──────────────────────────────────────────────────────────
    Group(
        Component.PROJECTOR,
        either(
            r"projector|connector|aligner|merger|resampler|(?:image|audio)_embed\.",
            r"(?:image|vision|visual|audio|text|language)_proj",
            r"enc_to_dec_proj$|encoder_decoder_proj$|decoder\.proj$|^\.(?:pre|post)_projection$|perception\.proj$|input_projections$",
        ),
        ((r"", "multimodal"),),
    ),
    # ── Embeddings ────────────────────────────────────────────────────────────────────────────────────────────────
    Group(
        Component.EMBEDDING,
        r"embed|embd|wte|wpe|positional_encod|position_enc$|emb$|shared$|token_types$|latents|audio\.encoder$|_tokens?$|newline|codevectors$",
        (
            (r"position|wpe|pos_emb|\.pe_", "position"),
            (r"type|segment", "token_type"),
            (r"mask_emb|speaker_emb|language_emb|(?<!embed)(?<!embed_audio)_tokens?$|newline", "special"),
            (r"", "token"),
        ),
    ),
    Group(
        Component.CONV,
        r"conv|downsampl|squeeze_excite|(?:sam_(?:model|encoder)|^)\.ne(?:ck\.|t_)\d$|stem|quantizer\.(?:in|out)put_proj$",
        ((r"", "conv"),),
    ),
)

# Hybrid models give two kinds of layers the same names; a child of the module tells them apart.
CLUES: tuple[Clue, ...] = (
    # Kimi, Bailing and MiniMax call their linear attention `self_attn` too, projections and all
    Clue("self_attn|attention", "A_log|dt_bias|[qkv]_conv1d|forget_gate|output_gate", reads_as="linear_attn"),
    # RWKV calls its recurrence `attention`
    Clue("attention", "receptance|time_decay", reads_as="time_mix"),
    # ViLT classifies by a linear map, a norm and another map; elsewhere `classifier.1` is the map
    Clue("classifier", "3", reads_as="deep_classifier"),
    # the flash-attn family calls every token mixer `mixer`
    Clue("mixer", "Wqkv", reads_as="self_attn"),
    # dots.note counts the matrices of a gated MLP as Llama's authors do: gate, down and up
    Clue("mlp", "fc3", reads_as="mlp_of_three"),
    # MoonViT counts from zero
    Clue("mlp", "fc0", reads_as="mlp_from_zero"),
    # the first Qwen's `w2` is the gate of what `w1` lets through, and `c_proj` the way down
    Clue("mlp", "c_proj", reads_as="mlp_of_qwen"),
)

# CTRL calls its token embedding `w`, which may be anything elsewhere: it is one beside CTRL's attention.
TOKEN_TABLES, BESIDE_TOKEN_TABLE = frozenset({"w.weight", "transformer.w.weight"}), "h.0.multi_head_attention.Wq.weight"

# What a leaf is: (regex on the name, role); the first that matches.
ROLES: tuple[tuple[str, str], ...] = (
    (r"\.weight$", "weight"),
    (r"\.bias$", "bias"),
    # quantisation: FP8 and compressed-tensors · GPTQ, AWQ and MLX · bitsandbytes · MXFP4
    (r"\.(?:weight|input|output|[kv])_(?:global_)?scale(?:_inv|_\d)?$|\.weight_zero_point$", "scale"),
    (r"\.(?:scales|biases|qzeros|SCB)$|\.(?:nested_)?(?:absmax|quant_map)$|\.quant_state\.\w+$|_proj_scales$", "scale"),
    (
        r"\.beta$|\.time_first$|bias[^.]*$|ssmax_scaling\.b$",
        "bias",
    ),  # RWKV's time_first is added, LayerNorm's β was `beta`
    (r"", "weight"),
)

# What stands behind the module's name; without it the name is matched.
LEAF = either(
    r"(?:\.base_layer)?(?:\.(?:weight|bias))(?:\.(?:(?:nested_)?(?:absmax|quant_map)|quant_state\.\w+))?$",
    r"\.(?:(?:weight|input|output)_(?:global_)?scale\w*|[kv]_scale|weight_(?:zero_point|packed|shape|[gv]))$",
    r"\.(?:qweight|qzeros|scales|biases|g_idx|SCB)$|(?<=_proj)_(?:blocks|scales)$",
    r"\.parametrizations\.\w+\.original\d?$",
    r"(?i:(?<=norm)\.(?:gamma|beta)$)",
)

# Which tower: (regex on the name, tower); the first that matches, else "main".
TOWERS: tuple[tuple[str, str], ...] = (
    (
        r"vision(?!_language_adapter)|visual|vqmodel|sam_model|(?:^|\.)qwen2_model|video_tower|(?<!noisy_)image|img|(?:^|\.)vit\.|^v\.",
        "vision",
    ),
    (
        r"(?<!data2vec_)audio|^sound_|(?<!uni)speech(?!t5|_decoder)|(?:acoustic|semantic)_tokenizer|^perception\.|^a\.",
        "audio",
    ),
    (r"^(?:(?!(?:text_|transf_)?decoder\.|dec\.)[^.]+\.)*(?:(?:text_)?encoder|enc)\.", "encoder"),
    (r"(?:^|(?<!timestamp)\.)(?:(?:text_|transf_)?decoder|dec)\.", "decoder"),
)

# The number of a layer stands behind the name of a list of layers, the first one counts; an expert's behind `experts`.
LAYER = (
    r"(?:^|\.)(?:\w*(?:layers?|blocks?|stages?|groups?|attends)|h|blk|network|encoders|decoders|conformer"
    r"|attentions|ffns|layer_norm\d)\.([0-9]{1,9}|\{\})(?=\.|$)"  # (XLM and Flaubert number these)
)
EXPERT = r"(?<!shared_)experts?[._](?:expert_)?([0-9]{1,9}|\{\})(?=\.|$)"

# What a file may hold beside parameters: (regex on the name, part). Masks, tables and statistics that no one trains;
# none of them is called weight or bias but those below the table.
BUFFERS: tuple[tuple[str, str], ...] = (
    (r"\.masked_bias$|\.causal_mask$", "causal_mask"),
    (r"(?:^|\.)(?:(?:original_)?inv_freq|rope_freqs|freqs_cis|(?:sin|cos)_cached)$", "rotary"),
    (r"(?:^|\.)(?:position_ids|token_type_ids)$", "position_ids"),
    (r"\.(?:running_mean|running_var|num_batches_tracked)$", "running_stats"),
    (r"(?:^|\.)final_logits_bias$", "logits_bias"),
    (r"\.(?:slope_rate|(?:query|key|diagonal)_decay)$", "decay"),
    (r"\.(?:global_mean|global_invstd|norm_mean|norm_std)$", "feature_stats"),
    (r"\.codebook\.(?:cluster_\w+|embed_avg|embed_sum|inited|initialized)$", "codebook_stats"),
    (r"\.(?:act|fc)_scaling_factor$|\.x_m(?:in|ax)$|_integer$|\.(?:input|output)_m(?:in|ax)$", "quantisation_range"),
    (r"\.act_fn\.(?:beta|eps)$|\.layer_scalar$", "constant"),
    (r"(?:_index|_ids|_idxs?|[._]g_idx|2eid|\.weight_shape|\.weight_format)$", "index"),
)
# GGUF: the factors by which a long context turns slower.
ROTARY_WEIGHT = r"(?:^|\.)(?:rope_(?:freqs|factors_\w+)\.weight|(?:rotary_emb|lerope)\.alpha)$"  # Mistral Large 4's too
# A causal mask of early GPT-2, GPT-Neo and GPT-J files, if it is square; a 1-D `attn.bias` is a parameter.
CAUSAL_MASK = r"(?:^|\.)(?:attn|attention)\.bias$"
# DeepSeek-V3 balances its experts by a bias that no gradient reaches: a buffer of the router …
ROUTER_BIAS = r"correction_bias$|\.moe\.router_bias$|expert_bias$|balancing_biases$|exp_probs_b(?:\.bias)?$"
# … and a parameter in these names and model types (as transformers 5.23 registers them).
TRAINED_ROUTER_BIAS = r"moe_statics\.|\.mlp\.expert_bias$"
TRAINED_ROUTER_BIAS_TYPES = frozenset({"afmoe", "ernie4_5_moe", "ernie4_5_vl_moe", "laguna"})

# The original study's rule: a substring anywhere in the name, the first that is found.
STUDY_RULES: tuple[tuple[tuple[str, ...], Component], ...] = (
    (("attn", "attention"), Component.ATTENTION),
    (("mlp", "fc"), Component.MLP),
    (("ln",), Component.NORM),
)
# It knows three components. Held against it leniently: experts count as MLP and linear attention as attention.
LENIENT = {Component.MOE: Component.MLP, Component.LINEAR_ATTENTION: Component.ATTENTION}
