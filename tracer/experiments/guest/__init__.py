"""Programs that run in a guest, sent there with the experiment that needs them."""
