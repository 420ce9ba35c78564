"""One detector from whatever there is of it: an edge, flats, a data sheet, or ordinary radiographs.

A detector is two halves, blur and noise, each with its source and spread. Either is measured, told, or taken from the
family of screens that the model describes; `result.join` makes one detector of both.
"""
