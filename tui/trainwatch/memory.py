"""Gives memory back to the system once what was in it is gone."""

import ctypes
import gc

from textual._styles_cache import StylesCache


def give_back() -> None:
    """Collect closed pages, and let the C library return what is free: takes some hundredths of a second.

    A page refers to itself all over, and holds columns that the collector does not count: left to itself it takes its
    time over them. glibc keeps what is freed below anything that is still used.
    """
    if not gc.isenabled():
        return  # something is being read for the first time
    StylesCache.get_inner_outer.cache_clear()  # of a method: it holds on to what a thousand widgets have painted
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)
