"""TaskFlow behind nginx and HAProxy, configured as docs/proxies.md says."""
