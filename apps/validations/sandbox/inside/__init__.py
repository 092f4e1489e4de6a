"""What runs inside the sandboxed process. No Django, no portal code beyond this folder and `wire`."""
