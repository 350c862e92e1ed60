"""Maps of a space for the eye: linear ones by default, UMAP on the plane or the sphere as an extra."""

from crossgap.maps.drawn_map import DrawnMap, draw_map
from crossgap.maps.linear_map import LinearMap, linear_map
from crossgap.maps.map_file import map_record, map_table
from crossgap.maps.neighbours_kept import neighbours_kept
from crossgap.maps.umap_map import umap_coordinates

__all__ = [
    "DrawnMap",
    "LinearMap",
    "draw_map",
    "linear_map",
    "map_record",
    "map_table",
    "neighbours_kept",
    "umap_coordinates",
]
