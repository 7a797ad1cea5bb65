"""Images, folders of images, and the data sets made of them."""
