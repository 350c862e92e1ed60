"""Embeddings, the one noun, and the files that hold it.

files --read--> Embeddings --write--> files
"""

from crossgap.data.atomic import atomic_path
from crossgap.data.embeddings import ROW_FACTS, Embeddings, Group, ItemCodes, Pairs
from crossgap.data.npy import NpyRows
from crossgap.data.parquet import ParquetRows
from crossgap.data.read import ReadGroups, read, read_groups
from crossgap.data.sample import sample
from crossgap.data.shards import ShardedRows
from crossgap.data.write import write

__all__ = [
    "ROW_FACTS",
    "Embeddings",
    "Group",
    "ItemCodes",
    "NpyRows",
    "Pairs",
    "ParquetRows",
    "ReadGroups",
    "ShardedRows",
    "atomic_path",
    "read",
    "read_groups",
    "sample",
    "write",
]
