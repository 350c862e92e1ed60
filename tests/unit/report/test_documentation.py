from crossgap import measure
from crossgap.report.documentation import documentation


def area(x, y=2.0, *, unit: str = "cm", check: bool = True) -> float:
    """Area of a rectangle.

    It is written for this test.

    Formula::

        A = x y
          = y x

    How to read it: larger is larger. The value is
    never negative.

    Parameters
    ----------
    x
        Width.
    y, unit, check
        The rest.

    Returns
    -------
    A number,
    in square units.

    Raises
    ------
    ValueError
        If a side is negative.

    Notes
    -----
    First line
    continued.

    Second paragraph.

    References
    ----------
    Euclid, *Elements*,
    book I.

    Examples
    --------
    >>> area(2.0, 3.0)
    6.0
    """
    return x * y


def bare():  # what has no docstring
    return None


bare.__doc__ = None


def test_every_part():
    found = documentation(area)
    assert found.name == "area"
    assert found.signature == "area(x, y=2.0, *, unit='cm', check=True)", "types are left out"
    assert found.summary == "Area of a rectangle."
    assert found.formula == "A = x y\n  = y x"
    assert found.how_to_read == "larger is larger. The value is never negative."
    assert found.parameters == "x\n    Width.\ny, unit, check\n    The rest."
    assert found.returns == "A number, in square units."
    assert found.raises == "ValueError\n    If a side is negative."
    assert found.notes == "First line continued.\n\nSecond paragraph."
    assert found.references == "Euclid, *Elements*, book I."
    assert found.examples == ">>> area(2.0, 3.0)\n6.0"


def test_nothing_written_nothing_said():
    found = documentation(bare)
    assert (found.name, found.signature) == ("bare", "bare()")
    assert {value for key, value in found.as_json().items() if key not in ("name", "signature")} == {""}


def test_summary_alone():
    def short():
        """One line."""

    found = documentation(short)
    assert (found.summary, found.formula, found.parameters) == ("One line.", "", "")


def test_json_holds_every_part_in_order():
    assert list(documentation(area).as_json()) == [
        *("name", "signature", "summary", "formula", "how_to_read", "parameters", "returns"),
        *("raises", "notes", "references", "examples"),
    ]


def test_a_real_quantity():
    found = documentation(measure.centroid_distance)
    assert found.signature.startswith("centroid_distance(x, y")
    assert found.formula
    assert found.references
    assert ">>>" in found.examples
