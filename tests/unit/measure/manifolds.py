"""Points on manifolds of known dimension, drawn as scikit-dimension's benchmark draws them, with NumPy alone."""

import numpy as np

ROWS = 600
SEED = 5
TAU = 2 * np.pi


def points(name: str) -> np.ndarray:
    """Draw the points of one manifold, (ROWS, variables)."""
    return MANIFOLDS[name](np.random.RandomState(SEED), ROWS)


def sphere(rng, n):
    directions = rng.randn(n, 11)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def affine_in_five(rng, n):
    axes = [[1.2, -0.5, 0], [0.5, 0.9, 0], [-0.5, -0.2, 1], [0.4, -0.9, -0.1], [1.1, -0.3, 0]]
    return (4 * rng.rand(3, n)).T @ np.array(axes).T + [3, -1, 0, 0, 8]


def almost_three(rng, n):
    a, b, c, d = rng.rand(4, n)
    columns = [b**2 * np.cos(TAU * a), c**2 * np.sin(TAU * a), b + c + (b - d) ** 2, b - 2 * c + (a - d) ** 2]
    return np.stack([*columns, -b - 2 * c + (c - d) ** 2, a**2 - b**2 + c**2 - d**2], axis=1)


def curled(d):
    def draw(rng, n):
        angles = rng.rand(d, n)
        radii = np.roll(angles, -1, axis=0)
        columns = np.empty((2 * d, n))
        columns[0::2], columns[1::2] = radii * np.cos(TAU * angles), radii * np.sin(TAU * angles)
        return np.tile(columns.T, 1 if d == 4 else 3)

    return draw


def helix(rng, n):
    t = TAU / n + rng.rand(n) * TAU
    return np.stack([(2 + np.cos(8 * t)) * np.cos(t), (2 + np.cos(8 * t)) * np.sin(t), np.sin(8 * t)], axis=1)


def helical_surface(rng, n):
    radius, angle = 10 * np.pi * rng.rand(n), 10 * np.pi * rng.rand(n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), angle / 2], axis=1)


def roll(rng, n):
    t, height = 1.5 * np.pi * (1 + 2 * rng.rand(n)), 21 * rng.rand(n)
    return np.stack([t * np.cos(t), height, t * np.sin(t)], axis=1)


def box(rng, n):
    return (rng.rand(20, n) * 5 - 2.5).T


def cube(d):
    def draw(rng, n):
        sides = []
        for axis in range(d + 1):
            for end in (0, 1):
                side = rng.rand(d + 1, n // (2 * (d + 1)) + 1)
                side[axis] = end
                sides.append(side)
        return np.concatenate(sides, axis=1).T[:n]

    return draw


def moebius(rng, n):
    angle, width = rng.rand(n) * TAU, rng.rand(n) * 2 - 1
    radius = 1 + 0.5 * width * np.cos(5 * angle)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.5 * width * np.sin(5 * angle)], axis=1)


def gaussian(rng, n):
    return rng.multivariate_normal(np.zeros(20), np.eye(20), n)


def s_curve(rng, n):
    t, height = 3 * np.pi * (rng.rand(n) - 0.5), 2 * rng.rand(n)
    return np.stack([np.sin(t), height, np.sign(t) * (np.cos(t) - 1)], axis=1)


def spiral(rng, n):
    t = 10 * np.pi * rng.rand(n)
    return np.concatenate([np.stack([100 * np.cos(t), 100 * np.sin(t), t], axis=1), np.zeros((n, 10))], axis=1)


def beta(rng, n):
    u = rng.beta(10, 0.5, size=(n, 10))
    return np.tile(np.concatenate([u * np.sin(np.cos(TAU * u)), u * np.cos(np.sin(TAU * u))], axis=1), 2)


def tangents(d):
    def draw(rng, n):
        u = rng.random_sample((n, d))
        turned = u[:, ::-1]
        return np.tile(np.concatenate([np.tan(u * np.cos(turned)), np.arctan(turned * np.sin(u))], axis=1), 2)

    return draw


def paraboloid(d):
    def draw(rng, n):
        waits = rng.exponential(1, (d + 1, n))
        burr = (1 / (1 + waits[1:] / waits[0])).T
        columns = np.concatenate([burr, (burr**2).sum(axis=1, keepdims=True)], axis=1)
        return np.concatenate([columns, np.sin(columns), columns**2], axis=1)

    return draw


MANIFOLDS = {
    "M1_Sphere": sphere,
    "M2_Affine_3to5": affine_in_five,
    "M3_Nonlinear_4to6": almost_three,
    "M4_Nonlinear": curled(4),
    "M5a_Helix1d": helix,
    "M5b_Helix2d": helical_surface,
    "M6_Nonlinear": curled(6),
    "M7_Roll": roll,
    "M8_Nonlinear": curled(12),
    "M9_Affine": box,
    "M10a_Cubic": cube(10),
    "M10b_Cubic": cube(17),
    "M10c_Cubic": cube(24),
    "M10d_Cubic": cube(70),
    "M11_Moebius": moebius,
    "M12_Norm": gaussian,
    "M13a_Scurve": s_curve,
    "M13b_Spiral": spiral,
    "Mbeta": beta,
    "Mn1_Nonlinear": tangents(18),
    "Mn2_Nonlinear": tangents(24),
    "Mp1_Paraboloid": paraboloid(3),
    "Mp2_Paraboloid": paraboloid(6),
    "Mp3_Paraboloid": paraboloid(9),
}
