"""Where the gap comes from: findings, each a sentence, a number, an interval and its evidence."""

__all__: list[str] = []
