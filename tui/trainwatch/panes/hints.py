"""What the pointer is on, in words, for the footer. Pure."""

POINTED = {
    "header": "state, progress and figures; below them what needs attention",
    "loss": "training loss and evaluations; wheel or drag: zoom, two clicks: alone",
    "grad_norm": "gradient norm before clipping; wheel or drag: zoom, two clicks: alone",
    "lr": "learning rate; wheel or drag: zoom, two clicks: alone",
    "memory": "memory that matters on this device; wheel or drag: zoom, two clicks: alone",
    "evals": "evaluations, the best marked; the wheel scrolls",
    "events": "what happened, newest last; the wheel scrolls",
    "orders": "orders and their outcomes; the wheel scrolls",
    "console": "what the libraries print; the wheel scrolls",
}
"""What a pane is, for the footer."""
