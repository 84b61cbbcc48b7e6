"""Key Access Services of others: which there are, what was agreed with them, how they are called and answered."""
