"""Models on disk: what can be pulled, how it is fetched and checked, and where it lies once it is installed.

    offers/        what can be pulled, one JSON file a model
    manifest.py    what an offer and an installed model say of themselves
    shelf.py       the models folder: list, verify, remove
    fetch.py       a URL to a file: resumed, checked
    checkpoint.py  a checkpoint to one safetensors file per tower
    split.py       which tower owns an entry of a checkpoint
    install.py     all of it together: pull and add, and adding a folder that bindsearch bind has made

A model is installed when its folder stands under its own name in the models folder; that happens by one
rename, after everything in it has been checked and synced. From then on nothing needs a network.
"""
