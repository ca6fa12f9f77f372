"""A trained model tried at once: texts in, labels, spans or generated text out. A process of its own, as torch is."""
