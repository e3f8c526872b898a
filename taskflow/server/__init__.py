"""The process: its listeners and workers, its clients' connections and their limits, its end.

run         the start of a server, from settings to listeners
workers     the event loop of each worker, and who watches over several
acceptance  how workers share a listener
signals     how a process ends
connection  one client's connection: who is answered, refused or turned away
parsing     which bytes are a request
upgrades    requests for another protocol
timeouts    how long a client may take
limits      how much a process takes in at once
repeats     who comes again at once after a 503
transport   what is handed to the kernel, and how a connection is cut
"""
