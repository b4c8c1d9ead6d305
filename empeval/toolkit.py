"""What a scorer's author would otherwise write again: public, and kept as the interfaces are.

``import empeval.toolkit`` is cheap: names are resolved on first use, and torch is imported only
when a model is loaded or something is encoded.

======================  ===========================================================================
replies                 ``unusable`` and ``remarks``: which replies can be measured, and what to
                        say of the others; ``other_history``: what to say of human ones beside
                        them; ``looks_english``, ``refuses``
model folders           ``check_target``, ``locate``, ``on_disk``: a folder, ``packaged:NAME`` or a
                        hub id; ``fingerprint``, ``target_fingerprint`` for ``Scorer.fingerprint``;
                        ``load_encoder``: safetensors only, no code; ``ADAPTER``, ``PACKAGED``,
                        ``WEIGHTS``
encoders                ``PooledEncoder`` with ``TokenRow``: rows of tokens -> vectors, batched by
                        length; ``by_length``, ``padded``, ``mean_pool`` alone
people                  ``require``: a package of an extra; ``warn``;
                        ``plain`` for what goes to a terminal; ``nearest``: what was meant
files                   ``replacing``, ``write_json``: whole or not at all; ``parse_pairs``;
                        ``read_yaml``, ``Document``, ``read_text``, ``convert``: YAML whose errors
                        have lines
======================  ===========================================================================

Texts as vectors::

    from empeval.toolkit import PooledEncoder, TokenRow, load_encoder, locate

    def vectors(texts):
        folder = locate("packaged:all-minilm-l6-v2")
        model, tokenizer = load_encoder(folder, "my scorer's encoder", optional="pooler.")
        encoder = PooledEncoder(model, padding=tokenizer.pad_token_id)
        rows = [TokenRow(ids) for ids in tokenizer(texts)["input_ids"]]
        return encoder.pooled(rows).cpu().numpy()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "empeval.batching": "by_length",
    "empeval.checkpoints": "ADAPTER PACKAGED WEIGHTS check_target fingerprint load_encoder locate "
    "on_disk target_fingerprint",
    "empeval.encoding": "PooledEncoder TokenRow mean_pool padded",
    "empeval.engines": "Engine read_engine",
    "empeval.english": "looks_english",
    "empeval.errors": "nearest",
    "empeval.escaping": "plain",
    "empeval.extras": "require",
    "empeval.files": "replacing write_json",
    "empeval.notices": "warn",
    "empeval.pairs": "parse_pairs",
    "empeval.refusals": "refuses",
    "empeval.replies": "other_history remarks unusable",
    "empeval.yamlfiles": "Document convert read_text read_yaml",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ADAPTER",
    "PACKAGED",
    "WEIGHTS",
    "Document",
    "Engine",
    "PooledEncoder",
    "TokenRow",
    "by_length",
    "check_target",
    "convert",
    "fingerprint",
    "load_encoder",
    "locate",
    "looks_english",
    "mean_pool",
    "nearest",
    "on_disk",
    "other_history",
    "padded",
    "parse_pairs",
    "plain",
    "read_engine",
    "read_text",
    "read_yaml",
    "refuses",
    "remarks",
    "replacing",
    "require",
    "target_fingerprint",
    "unusable",
    "warn",
    "write_json",
]

if TYPE_CHECKING:
    from empeval.batching import by_length
    from empeval.checkpoints import (
        ADAPTER,
        PACKAGED,
        WEIGHTS,
        check_target,
        fingerprint,
        load_encoder,
        locate,
        on_disk,
        target_fingerprint,
    )
    from empeval.encoding import PooledEncoder, TokenRow, mean_pool, padded
    from empeval.engines import Engine, read_engine
    from empeval.english import looks_english
    from empeval.errors import nearest
    from empeval.escaping import plain
    from empeval.extras import require
    from empeval.files import replacing, write_json
    from empeval.notices import warn
    from empeval.pairs import parse_pairs
    from empeval.refusals import refuses
    from empeval.replies import other_history, remarks, unusable
    from empeval.yamlfiles import Document, convert, read_text, read_yaml


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'empeval.toolkit' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
