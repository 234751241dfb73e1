"""What the models and the index do on a GPU, beside what the device could do at best."""
