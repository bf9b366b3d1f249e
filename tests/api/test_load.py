"""Whether requests are sent without a pause, which decides what a refusal tells."""

from vidgo_async._api.limit import Load


def test_requests_one_after_the_other_are_a_full_load() -> None:
    """In flight for more than half of the time since the first is full; less is not."""
    load = Load()
    for second in range(10):
        load.sent(float(second), 0)
        load.done(second + 0.7, 0)
    load.sent(10.0, 0)
    assert load.is_full(10.1)
    load.done(10.1, 0)
    load.sent(30.0, 0)
    assert not load.is_full(30.1)


def test_what_was_in_flight_at_a_refusal_is_no_load_after_it() -> None:
    """A refusal begins the count anew, whatever ends later that was sent before."""
    load = Load()
    load.sent(0.0, 0)
    load.sent(100.0, 1)
    load.begin()
    load.done(100.1, 1)
    load.done(101.0, 0)
    load.sent(110.0, 0)
    load.done(110.1, 0)
    load.sent(120.0, 0)
    assert not load.is_full(120.1)
