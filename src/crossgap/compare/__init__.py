"""Quantities of two spaces that need not share one: how alike their geometry is, whatever their rotation."""

__all__: list[str] = []
