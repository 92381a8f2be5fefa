from wsgate.settings.places import Places


def test_settings_of_no_file_have_no_places() -> None:
    assert str(Places().problem("routes[0].name", "wrong")) == "routes[0].name: wrong"


def test_what_is_left_out_has_the_place_of_what_it_would_stand_in() -> None:
    places = Places("f", {"": (1, 1), "a": (1, 4), "a[0]": (2, 5)})
    assert [places.find(path) for path in ("a[0]", "a[0].b.c", "a[1]", "b")] == [(2, 5), (2, 5), (1, 4), (1, 1)]
    assert [places.as_written(path) for path in ("a[0]", "a[1]", "b[0]")] == ["a[0]", "a[1]", "b[0]"]
    assert Places("f", {"a": (1, 1)}).as_written("a[0]") == "a"
    assert "a[0]" in places
    assert "a[1]" not in places
