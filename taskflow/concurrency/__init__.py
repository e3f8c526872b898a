"""Work beside the event loop, and work that is given up when its client has gone."""
