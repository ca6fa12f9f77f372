"""What torch sees of this machine, as one line of JSON. Runs as a process of its own: it may hang, or crash.

The only module of the doctor that knows torch.
"""

import json
import sys
import warnings

import torch


def main() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
        error = ""
        if not available and torch.version.cuda is not None:
            try:
                torch.zeros(1, device="cuda")
            except (RuntimeError, AssertionError) as cause:
                error = str(cause)
        count = torch.cuda.device_count() if available else 0
        view = {
            "torch": torch.__version__,
            "built_for": torch.version.cuda,
            "is_rocm": torch.version.hip is not None,
            "devices": [torch.cuda.get_device_name(i) for i in range(count)],
            "capabilities": [list(torch.cuda.get_device_capability(i)) for i in range(count)],
            "architectures": torch.cuda.get_arch_list() if available else [],
            "mps_built": torch.backends.mps.is_built(),
            "mps_available": torch.backends.mps.is_available(),
        }
    view["error"] = error or "; ".join(str(warning.message) for warning in caught)
    sys.stdout.write(json.dumps(view) + "\n")


if __name__ == "__main__":
    main()
