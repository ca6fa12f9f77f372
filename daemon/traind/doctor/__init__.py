"""`traind doctor`: the machine, its GPUs and who holds them, in findings with cures.

Judging is plain functions from values and texts to findings; looking is thin. Torch is asked in a process of its own.
"""
