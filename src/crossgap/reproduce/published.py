"""What Fahim, Murphy and Fyshe (arXiv 2405.18570) report, as plain numbers.

Tables 7 to 10 print two decimals; the authors' stored results, of which they are the roundings, give four. Where both
exist the stored ones stand here. All are of CLIP ViT-B/32, fine-tuned on COCO train2017 and measured on 4,962 pairs of
val2017, seeds 42, 24 and 44; the curves of figures 2 and 4 are of seed 42.
"""

import math
from types import MappingProxyType

__all__ = [
    "CUMULATIVE_VARIANCE",
    "CURVE_POINTS",
    "FINE_TUNING",
    "PARTICIPATION_RATIO",
    "PER_SEED",
    "PRINTED",
    "SEEDS",
    "seed_deviation",
]

SEEDS = (42, 24, 44)

# (d, loss): quantity -> (mean, standard error over three seeds or None)
FINE_TUNING = MappingProxyType(
    {
        (32, "CLIP"): {
            "linear_separability": (0.7825, 0.0495),
            "centroid_distance": (0.1043, 0.0125),
            "uniformity/x": (-1.454, None),
            "uniformity/y": (-1.546, None),
            "uniformity": (-1.500, 0.034),
            "cross_uniformity": (-1.525, 0.030),
            "alignment": (0.182, 0.003),
            "recall_at_1/x_to_y": (0.2392, None),
            "recall_at_5/x_to_y": (0.5249, None),
            "recall_at_10/x_to_y": (0.6614, None),
            "recall_at_1/y_to_x": (0.2393, None),
            "recall_at_5/y_to_x": (0.5261, None),
            "recall_at_10/y_to_x": (0.6644, None),
        },
        (32, "CUA"): {
            "linear_separability": (0.5893, 0.0152),
            "centroid_distance": (0.0683, 0.0103),
            "uniformity/x": (-3.523, None),
            "uniformity/y": (-3.511, None),
            "uniformity": (-3.517, 0.001),
            "cross_uniformity": (-3.539, 0.003),
            "alignment": (0.374, 0.003),
            "recall_at_1/x_to_y": (0.2351, None),
            "recall_at_5/x_to_y": (0.5121, None),
            "recall_at_10/x_to_y": (0.6481, None),
            "recall_at_1/y_to_x": (0.2293, None),
            "recall_at_5/y_to_x": (0.5103, None),
            "recall_at_10/y_to_x": (0.6391, None),
        },
        (32, "CUAXU"): {
            "linear_separability": (0.6772, 0.0547),
            "centroid_distance": (0.1220, 0.0282),
            "uniformity/x": (-3.618, None),
            "uniformity/y": (-3.606, None),
            "uniformity": (-3.612, 0.023),
            "cross_uniformity": (-3.667, 0.004),
            "alignment": (0.484, 0.011),
            "recall_at_1/x_to_y": (0.2390, None),
            "recall_at_5/x_to_y": (0.5243, None),
            "recall_at_10/x_to_y": (0.6579, None),
            "recall_at_1/y_to_x": (0.2405, None),
            "recall_at_5/y_to_x": (0.5199, None),
            "recall_at_10/y_to_x": (0.6547, None),
        },
        (64, "CLIP"): {
            "linear_separability": (0.9992, 0.0002),
            "centroid_distance": (0.3139, 0.0264),
            "uniformity/x": (-1.546, None),
            "uniformity/y": (-1.682, None),
            "uniformity": (-1.614, 0.052),
            "cross_uniformity": (-1.821, 0.036),
            "alignment": (0.350, 0.012),
            "recall_at_1/x_to_y": (0.2595, None),
            "recall_at_5/x_to_y": (0.5519, None),
            "recall_at_10/x_to_y": (0.6833, None),
            "recall_at_1/y_to_x": (0.2541, None),
            "recall_at_5/y_to_x": (0.5478, None),
            "recall_at_10/y_to_x": (0.6839, None),
        },
        (64, "CUA"): {
            "linear_separability": (0.6482, 0.0070),
            "centroid_distance": (0.0685, 0.0071),
            "uniformity/x": (-3.604, None),
            "uniformity/y": (-3.588, None),
            "uniformity": (-3.596, 0.001),
            "cross_uniformity": (-3.625, 0.002),
            "alignment": (0.454, 0.001),
            "recall_at_1/x_to_y": (0.2508, None),
            "recall_at_5/x_to_y": (0.5347, None),
            "recall_at_10/x_to_y": (0.6679, None),
            "recall_at_1/y_to_x": (0.2449, None),
            "recall_at_5/y_to_x": (0.5287, None),
            "recall_at_10/y_to_x": (0.6611, None),
        },
        (64, "CUAXU"): {
            "linear_separability": (0.7818, 0.0037),
            "centroid_distance": (0.1361, 0.0040),
            "uniformity/x": (-3.704, None),
            "uniformity/y": (-3.688, None),
            "uniformity": (-3.696, 0.007),
            "cross_uniformity": (-3.766, 0.002),
            "alignment": (0.612, 0.007),
            "recall_at_1/x_to_y": (0.2594, None),
            "recall_at_5/x_to_y": (0.5483, None),
            "recall_at_10/x_to_y": (0.6817, None),
            "recall_at_1/y_to_x": (0.2497, None),
            "recall_at_5/y_to_x": (0.5408, None),
            "recall_at_10/y_to_x": (0.6735, None),
        },
        (128, "CLIP"): {
            "linear_separability": (1.0000, 0.0),
            "centroid_distance": (0.6607, 0.0276),
            "uniformity/x": (-1.868, None),
            "uniformity/y": (-1.954, None),
            "uniformity": (-1.911, 0.054),
            "cross_uniformity": (-2.819, 0.016),
            "alignment": (0.866, 0.024),
            "recall_at_1/x_to_y": (0.2755, 0.0009),
            "recall_at_5/x_to_y": (0.5663, None),
            "recall_at_10/x_to_y": (0.7021, None),
            "recall_at_1/y_to_x": (0.2686, None),
            "recall_at_5/y_to_x": (0.5649, None),
            "recall_at_10/y_to_x": (0.6931, None),
        },
        (128, "CUA"): {
            "linear_separability": (0.7291, 0.0065),
            "centroid_distance": (0.0821, 0.0047),
            "uniformity/x": (-3.655, None),
            "uniformity/y": (-3.639, None),
            "uniformity": (-3.647, 0.003),
            "cross_uniformity": (-3.686, 0.005),
            "alignment": (0.544, 0.005),
            "recall_at_1/x_to_y": (0.2578, 0.0027),
            "recall_at_5/x_to_y": (0.5427, None),
            "recall_at_10/x_to_y": (0.6784, None),
            "recall_at_1/y_to_x": (0.2540, None),
            "recall_at_5/y_to_x": (0.5409, None),
            "recall_at_10/y_to_x": (0.6646, None),
        },
        (128, "CUAXU"): {
            "linear_separability": (0.8263, 0.0205),
            "centroid_distance": (0.1269, 0.0067),
            "uniformity/x": (-3.764, None),
            "uniformity/y": (-3.745, None),
            "uniformity": (-3.754, 0.004),
            "cross_uniformity": (-3.823, 0.004),
            "alignment": (0.727, 0.017),
            "recall_at_1/x_to_y": (0.2662, None),
            "recall_at_5/x_to_y": (0.5583, None),
            "recall_at_10/x_to_y": (0.6892, None),
            "recall_at_1/y_to_x": (0.2698, None),
            "recall_at_5/y_to_x": (0.5585, None),
            "recall_at_10/y_to_x": (0.6872, None),
        },
    }
)

# tables 7 to 9: (d, loss): quantity -> (mean, standard error), two decimals
PRINTED = MappingProxyType(
    {
        (32, "CLIP"): {"linear_separability": (0.78, 0.05), "centroid_distance": (0.10, 0.01)},
        (32, "CUA"): {"linear_separability": (0.59, 0.02), "centroid_distance": (0.07, 0.01)},
        (32, "CUAXU"): {"linear_separability": (0.68, 0.05), "centroid_distance": (0.12, 0.03)},
        (64, "CLIP"): {"linear_separability": (1.00, 0.00), "centroid_distance": (0.31, 0.03)},
        (64, "CUA"): {"linear_separability": (0.65, 0.01), "centroid_distance": (0.07, 0.01)},
        (64, "CUAXU"): {"linear_separability": (0.78, 0.00), "centroid_distance": (0.14, 0.00)},
        (128, "CLIP"): {"linear_separability": (1.00, 0.00), "centroid_distance": (0.66, 0.03)},
        (128, "CUA"): {"linear_separability": (0.73, 0.01), "centroid_distance": (0.08, 0.02)},
        (128, "CUAXU"): {"linear_separability": (0.83, 0.02), "centroid_distance": (0.13, 0.01)},
    }
)

# one value a seed, in the order of SEEDS, measured again in half precision
PER_SEED = MappingProxyType(
    {
        (128, "CLIP"): {
            "matched_cosine": (0.5908, 0.5557, 0.5537),
            "linear_separability": (1.0, 1.0, 1.0),
            "centroid_distance": (0.6060, 0.6821, 0.6943),
        },
        (128, "CUA"): {
            "matched_cosine": (0.7319, 0.7231, 0.7295),
            "linear_separability": (0.7301, 0.7382, 0.7110),
            "centroid_distance": (0.0795, 0.0916, 0.0759),
        },
        (128, "CUAXU"): {
            "matched_cosine": (0.6533, 0.6274, 0.6289),
            "linear_separability": (0.7951, 0.8077, 0.8474),
            "centroid_distance": (0.1136, 0.1355, 0.1321),
        },
        (64, "CLIP"): {
            "matched_cosine": (0.8257, 0.8354, 0.8149),
            "linear_separability": (0.9995, 1.0, 1.0),
            "centroid_distance": (0.2834, 0.2917, 0.3665),
        },
        (64, "CUA"): {
            "matched_cosine": (0.7739, 0.7720, 0.7729),
            "linear_separability": (0.6581, 0.6606, 0.6254),
            "centroid_distance": (0.0653, 0.0820, 0.0582),
        },
        (64, "CUAXU"): {
            "matched_cosine": (0.7002, 0.6890, 0.6938),
            "linear_separability": (0.7568, 0.7664, 0.7830),
            "centroid_distance": (0.1302, 0.1439, 0.1342),
        },
        (32, "CLIP"): {
            "matched_cosine": (0.9062, 0.9111, 0.9087),
            "linear_separability": (0.6873, 0.7875, 0.8721),
            "centroid_distance": (0.0827, 0.1041, 0.1261),
        },
        (32, "CUA"): {
            "matched_cosine": (0.8145, 0.8105, 0.8145),
            "linear_separability": (0.5861, 0.6047, 0.5660),
            "centroid_distance": (0.0670, 0.0869, 0.0511),
        },
        (32, "CUAXU"): {
            "matched_cosine": (0.7686, 0.7529, 0.7524),
            "linear_separability": (0.5942, 0.6777, 0.7744),
            "centroid_distance": (0.0729, 0.1228, 0.1704),
        },
    }
)

# figures 2 and 4, seed 42: share of the variance in the first k components, k of CURVE_POINTS below d
CURVE_POINTS = (1, 5, 10, 20, 30, 40, 60, 80, 100)
CUMULATIVE_VARIANCE = MappingProxyType(
    {
        (128, "CLIP", "x"): (0.092, 0.333, 0.486, 0.679, 0.788, 0.852, 0.923, 0.961, 0.983),
        (128, "CLIP", "y"): (0.099, 0.334, 0.490, 0.688, 0.798, 0.865, 0.937, 0.970, 0.988),
        (128, "CUA", "x"): (0.061, 0.267, 0.447, 0.681, 0.802, 0.865, 0.930, 0.963, 0.984),
        (128, "CUA", "y"): (0.062, 0.269, 0.453, 0.692, 0.815, 0.880, 0.944, 0.973, 0.989),
        (128, "CUAXU", "x"): (0.037, 0.169, 0.302, 0.522, 0.682, 0.787, 0.895, 0.947, 0.977),
        (128, "CUAXU", "y"): (0.037, 0.167, 0.303, 0.526, 0.693, 0.802, 0.913, 0.960, 0.984),
        (64, "CLIP", "x"): (0.093, 0.362, 0.545, 0.760, 0.872, 0.935, 0.994),
        (64, "CUA", "x"): (0.062, 0.273, 0.473, 0.744, 0.878, 0.941, 0.995),
        (64, "CUAXU", "x"): (0.041, 0.184, 0.337, 0.593, 0.780, 0.895, 0.992),
        (32, "CLIP", "x"): (0.116, 0.414, 0.633, 0.884, 0.991),
        (32, "CUA", "x"): (0.072, 0.308, 0.540, 0.855, 0.989),
        (32, "CUAXU", "x"): (0.044, 0.201, 0.376, 0.690, 0.955),
    }
)
PARTICIPATION_RATIO = MappingProxyType(
    {
        (128, "CLIP", "x"): 29.3,
        (128, "CLIP", "y"): 28.4,
        (128, "CUA", "x"): 34.7,
        (128, "CUA", "y"): 33.8,
        (128, "CUAXU", "x"): 53.5,
        (128, "CUAXU", "y"): 52.3,
        (64, "CLIP", "x"): 24.5,
        (64, "CUA", "x"): 30.3,
        (64, "CUAXU", "x"): 42.5,
        (32, "CLIP", "x"): 18.6,
        (32, "CUA", "x"): 23.6,
        (32, "CUAXU", "x"): 31.1,
    }
)


def seed_deviation(standard_error: float) -> float:
    """Standard deviation over seeds of which a standard error over the three seeds came.

    Examples
    --------
    >>> round(seed_deviation(0.01), 5)
    0.01732
    """
    return standard_error * math.sqrt(len(SEEDS))
