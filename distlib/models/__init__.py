"""What mathematics predicts: numpy and scipy only."""
