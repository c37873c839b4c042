"""When the bench fills its databases anew."""

from bench import scratch


def test_a_filled_database_is_kept_until_what_made_its_rows_changes() -> None:
    built = scratch._Stamp("rows", "derived", {"first": "a"})
    assert built.has_the_rows_of(built)
    assert built._replace(derived="other", migrations={"first": "a", "next": "b"}).has_the_rows_of(
        built
    )
    assert not built._replace(rows="other").has_the_rows_of(built)
    assert not built._replace(migrations={"first": "b"}).has_the_rows_of(built)
    assert not built._replace(migrations={}).has_the_rows_of(built)
    assert not built.has_the_rows_of(None)
