"""What other programs have written, as sources of the dashboard: TensorBoard events, CSV, HF's trainer_state.json.

Each is read by a reader of its own, into the same pieces as a run's; nothing is ever written. Without Textual.
"""
