"""Bundled data: corpora that are generated, so that a first run needs no download. Knows nothing of models."""
