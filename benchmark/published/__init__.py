"""Results published by others, and their configurations trained again."""
