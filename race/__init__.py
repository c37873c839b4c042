"""What people do at once, over real HTTP: random histories, and a judge of every answer."""
