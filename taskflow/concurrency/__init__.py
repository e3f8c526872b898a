"""Work beside the event loop, work that goes on in it, and work that is given up when its client has gone."""
