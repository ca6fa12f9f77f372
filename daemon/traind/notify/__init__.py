"""Telling people, away from the screen, how a run is: what is worth a message, when it may go out, and sending it.

The supervisor only chooses and queues (`notifier`); a thread of its own starts a process for each try (`courier`), so
that no slow network, no hung program and no package is ever within the supervisor. Never imports torch.
"""
