"""A first look: make a small folder of real media, index it, and search it in several forms.

Run by ``make demo``. The pictures are those that the scikit-image package carries; the film is a slow look
at four of them, one after the other; the notes are written here. Everything lies under ``.demo`` and may be
deleted.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / ".demo"
MEDIA = DEMO / "media"

# Under names that do not tell what they show: what is found is found by its content.
PICTURES = {
    "astronaut.png": "IMG_0001.png",
    "chelsea.png": "IMG_0002.jpg",
    "coffee.png": "IMG_0003.jpg",
    "rocket.jpg": "IMG_0004.jpg",
    "hubble_deep_field.jpg": "IMG_0005.jpg",
    "camera.png": "IMG_0006.png",
    "horse.png": "IMG_0007.png",
    "coins.png": "IMG_0008.webp",
    "page.png": "IMG_0009.png",
    "brick.png": "IMG_0010.png",
    "grass.png": "IMG_0011.png",
    "moon.png": "IMG_0012.png",
    "motorcycle_left.png": "IMG_0013.avif",
    "retina.jpg": "IMG_0014.jpg",
}
FILM = ["coffee.png", "rocket.jpg", "chelsea.png", "motorcycle_right.png"]
NOTES = {
    "kitchen.md": "# Espresso\n\nEighteen grams in, thirty-six out, in half a minute. Warm the cup first.\n\n"
    "# Bread\n\nFlour, water, salt, and a night in the fridge before it goes into the oven.\n",
    "trips.txt": "We missed the ferry and walked along the shore until the sun went down.\n\n"
    "The museum of space flight has a real capsule. Nobody wanted to leave before it closed.\n",
    "todo.txt": "Renew the passport.\n\nAsk the vet why the cat sneezes.\n\nPay the electricity bill.\n",
}
SEARCHES = [
    (["a cat"], "words find a picture, a moment of the film and a note"),
    (["a cup of coffee", "--type", "image"], "only pictures"),
    (["a rocket on the launch pad", "--type", "video"], "a hit in a film names its moment"),
    (["something to drink", "--type", "text"], "a note, though it shares no word with the query"),
    ([str(MEDIA / "IMG_0002.jpg"), "--type", "video"], "a picture finds the film that shows the same cat"),
    (
        [str(MEDIA / "IMG_0001.png"), "-", "a woman", "+", "the night sky"],
        "a picture, less one thing and more of another",
    ),
    (["an engine with wheels", "--json", "-k", "1"], "for programs"),
]


def main() -> None:
    """Make, index, search, show."""
    make_media()
    run("index", str(MEDIA))
    for query, why in SEARCHES:
        print(f"\n# {why}")
        run("search", *query, *(() if "-k" in query else ("-k", "3")))
    print("\n# what the library holds")
    run("status")


def run(*arguments: str) -> None:
    """One bindsearch command, shown as one would type it."""
    shown = [
        word if word in "+-" else shlex.quote(word.removeprefix(f"{ROOT}{os.sep}")) for word in arguments
    ]
    print(f"$ bindsearch {' '.join(shown)}", flush=True)
    command = [sys.executable, "-m", "bindsearch", "--library", str(DEMO / "library"), *arguments]
    subprocess.run(command, check=False, cwd=ROOT)


def make_media() -> None:
    """Fill the media folder, unless an earlier run has."""
    if (MEDIA / "todo.txt").exists():
        return
    from PIL import Image
    from skimage import data

    source = Path(data.__file__).parent
    MEDIA.mkdir(parents=True, exist_ok=True)
    for name, shown in PICTURES.items():
        if Path(name).suffix == Path(shown).suffix:
            shutil.copy(source / name, MEDIA / shown)
        else:
            Image.open(source / name).convert("RGB").save(MEDIA / shown)
    make_film(source, MEDIA / "MOV_0001.mp4")
    for name, text in NOTES.items():
        (MEDIA / name).write_text(text)


def make_film(source: Path, target: Path) -> None:
    """Four seconds of looking closer at each of the FILM pictures."""
    import av
    from PIL import Image

    with av.open(str(target), "w") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 480, 320, "yuv420p", 2_000_000
        for name in FILM:
            picture = Image.open(source / name).convert("RGB").resize((720, 480))
            for step in range(48):
                border = step  # one pixel closer a frame
                view = picture.crop((border, border, 720 - border, 480 - border)).resize((480, 320))
                container.mux(stream.encode(av.VideoFrame.from_image(view)))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
