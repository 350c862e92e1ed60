"""Several models side by side: the same quantities of each, paired differences, and how alike their spaces are.

{label: Embeddings} --same_items--> aligned --collect, each--> measurements --differences--> ModelComparison
                                       └--similarities--> cka, mutual_neighbours, ...         └-> JSON, page, gate
"""

from crossgap.report.models.compare_models import compare_models
from crossgap.report.models.gate import check_gate
from crossgap.report.models.model_comparison import Gate, ModelComparison

__all__ = ["Gate", "ModelComparison", "check_gate", "compare_models"]
