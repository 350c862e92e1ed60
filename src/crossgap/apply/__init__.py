"""Stored vectors moved by a closer, file by file or in a vector store, so that a run that was stopped goes on.

plan = plan_files(closer, ["vectors.parquet"], "closed.parquet")        # looks at everything, writes nothing
record = apply_to_files(plan)                                           # again after a stop: goes on
record = apply_to_store(closer, "qdrant:folder/photos", switch=True)    # the same for stores
"""

# files
from crossgap.apply.closer_digest import closer_digest
from crossgap.apply.file_plan import FilePlan, GroupSample, plan_files
from crossgap.apply.file_record import FileRecord
from crossgap.apply.files import apply_to_files, finished_rows
from crossgap.apply.searching import how_to_search, wants_inner_product

# stores
from crossgap.apply.store_record import StoreRecord
from crossgap.apply.stores import apply_to_store, is_store

__all__ = [
    "FilePlan",
    "FileRecord",
    "GroupSample",
    "StoreRecord",
    "apply_to_files",
    "apply_to_store",
    "closer_digest",
    "finished_rows",
    "how_to_search",
    "is_store",
    "plan_files",
    "wants_inner_product",
]
