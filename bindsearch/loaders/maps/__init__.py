"""Files of measured values: depth maps and thermal pictures, in metres and degrees Celsius.

    raster, floats, arrays   exact numbers out of pictures, float maps (EXR, PFM) and NumPy arrays
    which                    depth, heat or a photo: content first, then habit, a rule above all
    depth, thermal           numbers to metres and to degrees Celsius
    flir, portrait           temperatures and depth that lie hidden in ordinary pictures
    opening                  the two entry points

What cannot be told from content or habit is refused as UnsupportedFile, whose hint is the rule to write: a
map in the wrong unit is noise, and noise must not be embedded.
"""

from bindsearch.loaders.maps.opening import load_map, load_picture

__all__ = ["load_map", "load_picture"]
