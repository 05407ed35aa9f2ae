"""Random streams: the state of a Philox generator as words that a run file holds."""


def stream_words(stream):
    """Return the state of a Philox stream as 13 words: counter, key, buffer, position and a half-used word."""
    state = stream.state
    inner = state["state"]
    tail = [state["buffer_pos"], state["has_uint32"], state["uinteger"]]
    return [*inner["counter"], *inner["key"], *state["buffer"], *tail]


def restore_stream(stream, words):
    """Put a Philox stream into the state that `stream_words` gave."""
    state = stream.state
    state["state"] = {"counter": words[0:4].copy(), "key": words[4:6].copy()}
    state["buffer"] = words[6:10].copy()
    state["buffer_pos"], state["has_uint32"], state["uinteger"] = (int(word) for word in words[10:13])
    stream.state = state
