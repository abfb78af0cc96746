"""How are the values of tensors distributed? Histograms of bit patterns, and what follows from them.

`scan(tensors, open_shard)` reads the values once and gives each tensor's `Histogram`; `merge` makes one of several, in any
order; `Statistics.of(histogram)` says what it holds. Nothing else is needed to ask a new question of the weights.
"""

from __future__ import annotations

from .histogram import Histogram, merge
from .scan import scan
from .summary import Statistics

__all__ = ["Histogram", "Statistics", "merge", "scan"]
