"""The painters: each turns the store into the rows of one pane, at any size. Pure; they know no Textual."""
