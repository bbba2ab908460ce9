"""The checks of `editfhf validate`: of the files as such, and of what stands in them."""
