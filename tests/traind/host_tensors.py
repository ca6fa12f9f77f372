"""Copies of tensors that stay as they are, as a checkpoint would have them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from traind.host_copy import HostCopy, HostMemory


def copy_of(tensors: Mapping[str, Tensor]) -> HostCopy:
    return HostMemory(torch.device("cpu")).copy(tensors)


def host_copy(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return copy_of(tensors).tensors
