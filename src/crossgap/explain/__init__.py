"""Where the gap comes from: findings, each a sentence, a number, an interval and its evidence.

found = explain(embeddings)         # every two groups
found.findings[0].sentence          # the gap in one sentence, then its parts
parts = gap_parts(x, y)             # the distance of partners, split without remainder
"""

from crossgap.explain.explain import explain
from crossgap.explain.finding import Explanation, Finding
from crossgap.explain.gap_parts import GapParts, gap_parts
from crossgap.explain.terminal import lines

__all__ = ["Explanation", "Finding", "GapParts", "explain", "gap_parts", "lines"]
