"""The whole of a run's console.log, however long: read by byte offsets, never held. Knows no Textual."""
