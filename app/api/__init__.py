"""HTTP edge: parse, name the actor, call one service, shape the answer."""
