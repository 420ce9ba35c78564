"""What lies between the images of two detectors: grey-level link, blur and noise."""
