"""What is remembered of callbacks that came before the answer to their submit."""

from vidgo_async.webhooks.early import EarlyCallbacks


def test_without_a_post_nothing_is_remembered() -> None:
    """An unknown id is given up at once when no POST is open."""
    early = EarlyCallbacks()
    assert early.add("a", 0.0) == ["a"]
    assert early.post_ended(early.post_began(), None, 0.0) == []
    assert early.add("b", 0.0) == ["b"]
    assert len(early) == 0


def test_a_match() -> None:
    """The id that a POST bought comes back with its end, once."""
    early = EarlyCallbacks()
    post = early.post_began()
    assert early.add("a", 0.0) == early.add("a", 1.0) == []
    assert early.post_ended(post, "a", 2.0) == ["a"]
    assert len(early) == 0


def test_an_id_waits_for_all_posts_that_were_open() -> None:
    """It is given up when the last of them ended, whatever was sent since."""
    early = EarlyCallbacks()
    first, second = early.post_began(), early.post_began()
    assert early.add("a", 0.0) == []
    third = early.post_began()
    assert early.post_ended(first, "x", 1.0) == []
    assert early.post_ended(second, None, 1.0) == ["a"]
    assert early.add("b", 1.0) == []
    assert early.post_ended(third, "b", 2.0) == ["b"]


def test_an_id_is_given_up_after_a_minute() -> None:
    """A POST that hangs keeps nothing for longer."""
    early = EarlyCallbacks()
    early.post_began()
    assert early.add("a", 0.0) == []
    assert early.add("b", 59.9) == []
    assert early.add("c", 60.0) == ["a"]


def test_a_flood() -> None:
    """At most a thousand ids are remembered, the newest."""
    early = EarlyCallbacks()
    post = early.post_began()
    given_up = [each for number in range(5000) for each in early.add(f"{number}", 0.0)]
    assert given_up == [f"{number}" for number in range(4000)]
    assert len(early) == 1000
    assert early.post_ended(post, "4999", 0.0)[0] == "4999"
    assert len(early) == 0


def test_hints_are_given_up_silently() -> None:
    """What another process has is matched as well, and handed to nobody else."""
    early = EarlyCallbacks()
    assert early.add("a", 0.0, is_hint=True) == []
    post = early.post_began()
    assert early.add("b", 0.0, is_hint=True) == early.add("c", 0.0, is_hint=True) == []
    assert early.post_ended(post, "b", 1.0) == ["b"]
    assert len(early) == 0
