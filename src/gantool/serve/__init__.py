"""Pictures over HTTP: a page to drop them on, and endpoints that take an image and answer with one."""
