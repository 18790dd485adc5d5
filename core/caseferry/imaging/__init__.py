"""Reading headers and pixels of each kind of image, and conversions that keep geometry."""
