"""Says that it is there, and waits to be ended."""

import time


def main() -> int:
    print("here", flush=True)
    time.sleep(60)
    return 0
