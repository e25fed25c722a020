"""What the files beside a photo say of it: XMP, JSON, captions; their rank, and what broken ones cost."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bindsearch.loaders import FileFacts, Hint, LoadedFile, Surroundings, load
from bindsearch.loaders.hints import Neighbour
from bindsearch.loaders.sidecars import MAX_BYTES, MAX_WORDS, with_words
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality

# As Lightroom Classic writes it: one description, properties as elements, dates as attributes.
LIGHTROOM = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
   xmp:CreateDate="2019-07-04T10:11:12.50"
   xmp:Rating="4"
   exif:DateTimeOriginal="2019-07-04T09:11:12.50+02:00"
   exif:GPSLatitude="48,51.466N"
   exif:GPSLongitude="2,17.67E"
   photoshop:DateCreated="2019-07-04T09:11:12.50">
   <dc:description>
    <rdf:Alt>
     <rdf:li xml:lang="x-default">Sunset behind the tower</rdf:li>
    </rdf:Alt>
   </dc:description>
   <dc:title>
    <rdf:Alt>
     <rdf:li xml:lang="x-default">Evening</rdf:li>
     <rdf:li xml:lang="de-DE">Abend</rdf:li>
    </rdf:Alt>
   </dc:title>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>paris</rdf:li>
     <rdf:li>tour &amp; travel</rdf:li>
    </rdf:Bag>
   </dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

# As darktable writes it: attributes, an EXIF-like date, keywords in a Seq, an edit history.
DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:darktable="http://darktable.sf.net/"
   exif:DateTimeOriginal="2021:02:03 04:05:06.789"
   exif:GPSLatitude="33,51,24.5S"
   exif:GPSLongitude="151,12,54W"
   darktable:xmp_version="5">
   <darktable:history>
    <rdf:Seq>
     <rdf:li darktable:num="0" darktable:operation="exposure" darktable:params="00000000"/>
    </rdf:Seq>
   </darktable:history>
   <dc:subject><rdf:Seq><rdf:li>harbour</rdf:li><rdf:li>boats</rdf:li></rdf:Seq></dc:subject>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">Ferry &lt;3</rdf:li></rdf:Alt></dc:title>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

# As digiKam writes it: a packet wrapper, several descriptions, every property an element.
DIGIKAM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
   <xmp:CreateDate>2018-12-24T18:00:00Z</xmp:CreateDate>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/">
   <exif:GPSLatitude>60,10.0N</exif:GPSLatitude>
   <exif:GPSLongitude>24,56.4E</exif:GPSLongitude>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:digiKam="http://www.digikam.org/ns/1.0/">
   <digiKam:TagsList><rdf:Seq><rdf:li>People/Anna</rdf:li></rdf:Seq></digiKam:TagsList>
   <dc:subject><rdf:Bag><rdf:li>Anna</rdf:li></rdf:Bag></dc:subject>
   <dc:description>Kälte, 日本</dc:description>
  </rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>
"""

TAKEOUT = {
    "title": "IMG_1.jpg",
    "description": "At the lake",
    "imageViews": "12",
    "creationTime": {"timestamp": "1700000000", "formatted": "14 Nov 2023, 22:13:20 UTC"},
    "photoTakenTime": {"timestamp": "1577934245", "formatted": "2 Jan 2020, 03:04:05 UTC"},
    "geoData": {"latitude": 47.5, "longitude": 9.25, "altitude": 400.0, "latitudeSpan": 0.0},
    "people": [{"name": "Ada L."}, {"name": "Grace"}],
    "url": "https://example.org/x",
}

YT_DLP = {
    "id": "abc",
    "title": "Talk",
    "fulltitle": "A talk on tides",
    "uploader": "Harbour School",
    "description": "Why the sea\ncomes and goes",
    "upload_date": "20220304",
    "timestamp": 1646400000,
}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small photo with a time of its own in its EXIF, and no place."""
    path = tmp_path / "a" / "b" / "c" / "x.jpg"
    path.parent.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x8769] = {0x9003: "2015:05:05 05:05:05", 0x9011: "+00:00"}
    Image.new("RGB", (16, 16), (200, 40, 40)).save(path, exif=exif)
    return path


OWN_TIME = datetime(2015, 5, 5, 5, 5, 5, tzinfo=UTC).timestamp()


def beside(photo: Path, suffix: str, content: str | bytes | dict[str, Any]) -> None:
    raw = json.dumps(content).encode() if isinstance(content, dict) else content
    (photo.parent / (photo.name + suffix)).write_bytes(raw.encode() if isinstance(raw, str) else raw)


def read(photo: Path) -> tuple[FileFacts, list[Media]]:
    loaded = load(photo, hint=Surroundings().hint(photo))
    return loaded.facts, list(loaded.media)


def words(photo: Path) -> list[str]:
    """The lines of what is said of the photo; the photo itself comes before."""
    media = read(photo)[1]
    assert media[0].modality is Modality.IMAGE
    passages = [one.text for one in media if isinstance(one, Passage)]
    assert len(passages) == len(media) - 1 <= 1
    return passages[0].split("\n") if passages else []


def seconds(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


def test_a_photo_alone_has_no_words(photo: Path) -> None:
    assert words(photo) == []
    assert read(photo)[0].taken_at == OWN_TIME


def test_xmp_of_lightroom(photo: Path) -> None:
    beside(photo, ".xmp", LIGHTROOM)
    facts = read(photo)[0]
    assert words(photo) == ["Evening", "Abend", "Sunset behind the tower", "paris", "tour & travel"]
    assert facts.taken_at == seconds(2019, 7, 4, 7, 11, 12)
    assert facts.latitude == pytest.approx(48 + 51.466 / 60)
    assert facts.longitude == pytest.approx(2 + 17.67 / 60)


def test_xmp_of_darktable(photo: Path) -> None:
    beside(photo, ".xmp", DARKTABLE)
    facts = read(photo)[0]
    assert words(photo) == ["Ferry <3", "harbour", "boats"]
    assert facts.taken_at == datetime(2021, 2, 3, 4, 5, 6).timestamp()
    assert facts.latitude == pytest.approx(-(33 + 51 / 60 + 24.5 / 3600))
    assert facts.longitude == pytest.approx(-(151 + 12 / 60 + 54 / 3600))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_xmp_of_digikam_in_any_encoding(photo: Path, encoding: str) -> None:
    beside(photo, ".xmp", DIGIKAM.encode(encoding))
    facts = read(photo)[0]
    assert words(photo) == ["Kälte, 日本", "Anna"]
    assert facts.taken_at == seconds(2018, 12, 24, 18)
    assert (facts.latitude, facts.longitude) == (pytest.approx(60 + 10 / 60), pytest.approx(24 + 56.4 / 60))


def test_the_first_date_of_xmp_that_can_be_read_counts(photo: Path) -> None:
    beside(photo, ".xmp", LIGHTROOM.replace('exif:DateTimeOriginal="2019', 'exif:DateTimeOriginal="201x'))
    assert read(photo)[0].taken_at == datetime(2019, 7, 4, 9, 11, 12).timestamp()


def test_xmp_without_words_date_and_place_changes_nothing(photo: Path) -> None:
    empty = '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    beside(photo, ".xmp", empty)
    facts, media = read(photo)
    assert (facts.taken_at, facts.latitude, len(media)) == (OWN_TIME, None, 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("48,51.466N", 48.857767), ("48,51,28S", -48.857778), ("48.5", None), ("99,0N", None), ("N", None)],
)
def test_a_place_in_xmp_is_one_on_the_globe_or_none(photo: Path, value: str, expected: float | None) -> None:
    beside(photo, ".xmp", LIGHTROOM.replace("48,51.466N", value))
    assert read(photo)[0].latitude == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_json_of_takeout_fills_in_what_the_photo_leaves_out(photo: Path) -> None:
    beside(photo, ".supplemental-metadata.json", TAKEOUT)
    facts = read(photo)[0]
    assert words(photo) == ["At the lake", "Ada L.", "Grace"]
    assert facts.taken_at == OWN_TIME, "the photo's own time is more than what was uploaded with it"
    assert (facts.latitude, facts.longitude) == (47.5, 9.25)


def test_json_of_takeout_tells_the_time_of_a_photo_that_does_not(photo: Path) -> None:
    Image.new("RGB", (16, 16)).save(photo)
    beside(photo, ".json", TAKEOUT)
    assert read(photo)[0].taken_at == seconds(2020, 1, 2, 3, 4, 5)


def test_takeouts_zero_zero_is_no_place(photo: Path) -> None:
    beside(photo, ".json", TAKEOUT | {"geoData": {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0}})
    assert read(photo)[0].latitude is None


def test_a_field_of_another_type_costs_that_field_alone(photo: Path) -> None:
    said = TAKEOUT | {"people": None, "geoData": "nowhere", "photoTakenTime": [1]}
    beside(photo, ".json", said)
    assert words(photo) == ["At the lake"]


def test_json_of_a_downloader(photo: Path) -> None:
    Image.new("RGB", (16, 16)).save(photo)
    (photo.parent / "x.info.json").write_text(json.dumps(YT_DLP))
    assert words(photo) == ["A talk on tides", "Harbour School", "Why the sea comes and goes"]
    assert read(photo)[0].taken_at == 1646400000


def test_a_day_alone_is_its_noon(photo: Path) -> None:
    Image.new("RGB", (16, 16)).save(photo)
    (photo.parent / "x.info.json").write_text(json.dumps({"upload_date": "20220304"}))
    assert read(photo)[0].taken_at == seconds(2022, 3, 4, 12)


@pytest.mark.parametrize(
    "taken",
    ["soon", "", None, True, [], {}, "nan", "inf", 1e300, "1e300", 10**400, -(10**30)],
)
def test_a_time_that_is_none_is_none(photo: Path, taken: Any) -> None:
    Image.new("RGB", (16, 16)).save(photo)
    for said in ({"photoTakenTime": {"timestamp": taken}}, {"timestamp": taken}, {"upload_date": taken}):
        (photo.parent / "x.info.json").write_text(json.dumps(said))
        assert read(photo)[0].taken_at is None


def test_a_day_that_no_calendar_has_is_no_time(photo: Path) -> None:
    Image.new("RGB", (16, 16)).save(photo)
    (photo.parent / "x.info.json").write_text('{"upload_date": "20220399"}')
    assert read(photo)[0].taken_at is None


def test_xmp_outranks_the_photo_and_the_photo_outranks_json(photo: Path) -> None:
    beside(photo, ".xmp", LIGHTROOM)
    beside(photo, ".json", TAKEOUT)
    facts = read(photo)[0]
    assert facts.taken_at == seconds(2019, 7, 4, 7, 11, 12)
    assert facts.latitude == pytest.approx(48.857767)
    (photo.parent / "x.jpg.xmp").unlink()
    facts = read(photo)[0]
    assert (facts.taken_at, facts.latitude) == (OWN_TIME, 47.5)


def test_all_words_come_as_one_last_passage_each_thing_once(photo: Path) -> None:
    beside(photo, ".txt", "At the  lake\n\nwith friends")
    beside(photo, ".xmp", DARKTABLE)
    beside(photo, ".json", TAKEOUT | {"description": "boats"})
    assert words(photo) == ["At the lake with friends", "Ferry <3", "harbour", "boats", "Ada L.", "Grace"]


def test_both_captions_are_read(photo: Path) -> None:
    beside(photo, ".txt", "one")
    (photo.parent / "x.caption").write_text("two")
    assert words(photo) == ["one", "two"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_caption_is_read_in_the_encodings_of_notes(photo: Path, encoding: str) -> None:
    beside(photo, ".txt", "Frühstück am Meer".encode(encoding))
    assert words(photo) == ["Frühstück am Meer"]


@pytest.mark.parametrize("content", [b"", b" \n", b"\x00\x01\x02\xff" * 50, b"\xff\xfe\x00"])
def test_a_caption_that_is_no_text_is_passed_over(photo: Path, content: bytes) -> None:
    beside(photo, ".txt", content)
    assert words(photo) == []


def test_signs_that_no_text_has_are_left_out(photo: Path) -> None:
    beside(photo, ".json", '{"description": "a\\u0000b\\u001b[31m\\ud800c \\ud83d\\ude00"}')
    (line,) = words(photo)
    assert line == "a b [31m c \N{GRINNING FACE}"
    assert line.encode()


def test_the_words_are_cut_where_they_become_a_book(photo: Path) -> None:
    beside(photo, ".json", {"description": "word " * 5000})
    (line,) = words(photo)
    assert MAX_WORDS - 5 <= len(line) <= MAX_WORDS


def test_notes_tell_what_was_read_together(photo: Path) -> None:
    beside(photo, ".txt", "words")
    beside(photo, ".xmp", "broken")
    loaded = load(photo, hint=Surroundings().hint(photo))
    assert {"read together with its caption", "read together with its xmp"} <= set(loaded.notes)


def loaded_with(title: str | None) -> LoadedFile:
    facts = FileFacts(Modality.AUDIO, "MP3", title=title)
    return LoadedFile(Path("song.mp3"), facts, iter([Passage("first")]))


def test_a_title_becomes_words() -> None:
    found = list(with_words(loaded_with("Air – Moon  Safari"), Hint()).media)
    assert found == [Passage("first"), Passage("Air – Moon Safari")]


@pytest.mark.parametrize("title", [None, "", " \x00"])
def test_without_a_title_nothing_is_added(title: str | None) -> None:
    assert list(with_words(loaded_with(title), Hint()).media) == [Passage("first")]


def test_a_title_comes_after_what_a_person_wrote_and_not_twice(tmp_path: Path) -> None:
    caption = tmp_path / "song.txt"
    caption.write_text("Moon Safari\n")
    hint = Hint(neighbours=(Neighbour("caption", str(caption), 12, 0),))
    assert list(with_words(loaded_with("Moon Safari"), hint).media)[1:] == [Passage("Moon Safari")]
    assert list(with_words(loaded_with("Air"), hint).media)[1:] == [Passage("Moon Safari\nAir")]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><x>&l9;</x>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file://{}">]>' + LIGHTROOM.replace(
    "Sunset", "&f;"
)


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        BOMB.replace("<x>", LIGHTROOM[: LIGHTROOM.index("</rdf:RDF>")] + "<x>"),
        '<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd"><x/>',
        LIGHTROOM[:900],
        LIGHTROOM + "<",
        "",
        "no XML",
        "<a>" * 300_000,
        "<a>" * 200_000 + "</a>" * 200_000,
        '<?xml version="1.0" encoding="klingon"?><a/>',
        '<?xml version="1.0" encoding="utf-32"?><a/>',
        b"\x00\xff\xfe" * 1000,
        b"\xff\xfe" + LIGHTROOM.encode(),
    ],
    ids=range(13),
)
def test_xmp_that_is_broken_or_hostile_costs_nothing_but_itself(photo: Path, content: str | bytes) -> None:
    beside(photo, ".xmp", content)
    beside(photo, ".txt", "words")
    assert words(photo) == ["words"]


def test_xmp_cannot_bring_in_another_file(photo: Path) -> None:
    secret = photo.parent / "secret"
    secret.write_text("open sesame")
    beside(photo, ".xmp", OUTSIDE.format(secret))
    assert words(photo) == []


def test_what_is_too_large_is_passed_over_unread(photo: Path) -> None:
    beside(photo, ".json", {"description": "lake", "filler": "x" * MAX_BYTES})
    beside(photo, ".xmp", LIGHTROOM + " " * MAX_BYTES)
    assert words(photo) == []


def test_a_neighbour_that_vanishes_or_grows_after_it_was_seen_costs_nothing_but_itself(photo: Path) -> None:
    beside(photo, ".txt", "words")
    beside(photo, ".json", TAKEOUT)
    beside(photo, ".xmp", LIGHTROOM)
    hint = Surroundings().hint(photo)
    (photo.parent / "x.jpg.txt").unlink()
    (photo.parent / "x.jpg.xmp").unlink()
    os.mkfifo(photo.parent / "x.jpg.xmp")
    beside(photo, ".json", TAKEOUT | {"filler": "x" * MAX_BYTES})
    assert [media.modality for media in load(photo, hint=hint).media] == [Modality.IMAGE]


KEYS = ["description", "people", "geoData", "photoTakenTime", "timestamp", "upload_date", "fulltitle", "name"]
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "latitude"]), inner, max_size=4)
    ),
    max_leaves=12,
)
QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(said=st.dictionaries(st.sampled_from(KEYS), SHAPES, max_size=8) | SHAPES)
def test_json_of_any_shape_is_read_as_far_as_it_makes_sense(photo: Path, said: Any) -> None:
    beside(photo, ".json", json.dumps(said).encode())
    facts, media = read(photo)
    assert media[0].modality is Modality.IMAGE
    assert facts.taken_at == OWN_TIME
    assert facts.latitude is None or -90 <= facts.latitude <= 90


@QUICK
@given(raw=st.binary(max_size=60), at=st.integers(0, 2000), role=st.sampled_from([".json", ".xmp", ".txt"]))
def test_any_damage_is_survived(photo: Path, raw: bytes, at: int, role: str) -> None:
    whole = {".json": json.dumps(TAKEOUT), ".xmp": DARKTABLE, ".txt": "a lake " * 100}[role].encode()
    beside(photo, role, whole[:at] + raw + whole[at + len(raw) :])
    media = read(photo)[1]
    assert media[0].modality is Modality.IMAGE
    assert len(media) <= 2
