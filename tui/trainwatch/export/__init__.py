"""What is seen, as a file: the data as CSV, the picture as SVG, PNG or a page of HTML."""
