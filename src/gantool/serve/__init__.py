"""Pictures over HTTP: a page to drop them on, and addresses that take an image and answer with one."""
