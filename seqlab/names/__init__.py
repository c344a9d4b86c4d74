"""Lab 01: attention gives tokens names, by what stands around them."""
