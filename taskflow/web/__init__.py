"""HTTP, wherever no operation is meant: answers, errors, header fields, CORS."""
