"""Published devices by name: each function returns a `ship.Device` with constants from its source; `index` lists them."""
