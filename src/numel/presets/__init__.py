"""Published configurations as data, one model a line, each with its published total and where that was printed."""
