"""The foundation of all other rooms: errors, time, threads, files, random numbers, parameters. It imports none of them."""
