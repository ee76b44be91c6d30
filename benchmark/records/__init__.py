"""Records of trials and final runs, and the results folders that hold them."""
