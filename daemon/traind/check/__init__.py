"""`traind check`: finds out in seconds what would ruin hours of training.

Rules are plain functions from values to findings. Data and plan are looked at without torch (`start` does so too);
model and one batch in a process of their own (`python -m traind.check`).
"""
