"""Blueprints: an architecture as data, from which every tensor's name and shape follows without torch.

`architectures/<model_type>.blueprint` is the text a person reads, `language` parses it, `expressions` compiles its
formulas, `evaluate` puts a configuration in. Adding an architecture is adding one such file.
"""
