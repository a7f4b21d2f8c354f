"""From a file to a measurement in SI units: what stands in it, which column is what, in which unit, and from which rows.

`table` reads files and puts several together (`sources`): rows of cells (`text`, `xlsx`, `npz`, within `limits`) become named
columns (`parts`, by `layout`, `block`, `headers` and `log`), with what `instruments` say of them; `roles`, `units` and `columns`
say what each column is, `spelling` how a remedy is put to the caller. Nothing here knows a model: `ship.devices.fitting` fits
what was read.
"""
