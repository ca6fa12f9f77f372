"""The kinds of training, one module each: data to features, model, loss and metrics. Imported by the trainer alone."""
