"""Who a request is from: its token, and the keys that tokens are verified with."""
