"""Results published by others, and how to retrain their configurations."""
