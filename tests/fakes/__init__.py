"""Other people's services, as servers of our own: real sockets, the documented protocol."""
