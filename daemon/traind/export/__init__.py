"""`traind export`: a recorded run as tables, event files, a page or a log. One module a format; none knows torch."""
