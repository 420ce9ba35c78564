"""What is measured on trained weights, and stands on their card as one number each."""
